// The view to turn and play: one canvas for each figure of class "viewer", over 3Dmol.js.
// Where there is no WebGL the still pictures stay.
"use strict";
(() => {
  const { made, button, save, say } = window.interlith;
  const MILLISECONDS_A_FRAME = 120;
  const TURN = 15;
  const KEYS = "Arrow keys turn, plus and minus zoom, Home looks from the start, space plays.";

  function bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  }

  function unpack(view) {
    view.kinds = new Uint8Array(bytes(view.kinds));
    view.region_of = new Uint8Array(bytes(view.region_of));
    view.places = new Int16Array(bytes(view.places));
    return view;
  }

  function asXyz(view) {
    const n = view.kinds.length;
    const lines = [];
    for (let f = 0, at = 0; f < view.frames; f += 1) {
      lines.push(n, "");
      for (let i = 0; i < n; i += 1, at += 3) {
        const [x, y, z] = [0, 1, 2].map((k) => (view.places[at + k] * view.step).toFixed(2));
        lines.push(`${view.elements[view.kinds[i]][0]} ${x} ${y} ${z}`);
      }
    }
    return lines.join("\n");
  }

  function hasWebGl() {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("webgl2") || canvas.getContext("webgl");
    if (context) context.getExtension("WEBGL_lose_context")?.loseContext();
    return Boolean(context);
  }

  function paper() {
    return getComputedStyle(document.documentElement).getPropertyValue("--panel").trim();
  }

  function ink() {
    return getComputedStyle(document.documentElement).getPropertyValue("--soft").trim();
  }

  class Stage {
    constructor(figure, views) {
      this.figure = figure;
      this.views = views;
      this.frame = 0;
      this.timer = null;
      this.build();
      figure.classList.add("live"); // a canvas takes its size from what is seen
      this.canvas = $3Dmol.createViewer(this.place, {
        backgroundColor: paper(), orthographic: true, antialias: true, id: `${figure.id}-canvas`,
      });
      this.canvas.setZoomLimits(10, 2000);
      this.place.querySelector("canvas")?.setAttribute("aria-hidden", "true");
      document.documentElement.addEventListener("themechange", () => this.repaint());
      this.show(0);
    }

    build() {
      this.place = made("div", "", { class: "stage", tabindex: "0", role: "application" });
      this.place.addEventListener("keydown", (event) => this.press(event));
      this.list = made("select");
      this.views.forEach((view, i) => this.list.append(made("option", view.title, { value: i })));
      this.list.addEventListener("change", () => this.show(Number(this.list.value)));
      this.colours = made("select");
      this.colours.addEventListener("change", () => this.paint());
      this.play = button("Play", () => this.toggle());
      this.slider = made("input", "", { type: "range", min: 0, value: 0 });
      this.slider.addEventListener("input", () => { this.stop(); this.go(Number(this.slider.value)); });
      this.time = made("output");
      this.motion = made("span", "", { class: "motion" });
      this.motion.append(this.play, this.labelled("Frame", this.slider), this.time);
      this.legend = made("ul", "", { class: "legend" });
      const panel = made("div", "", { class: "panel" });
      panel.append(
        this.labelled("Structure", this.list), this.labelled("Colour by", this.colours), this.motion,
        button("Turn", () => this.turn(TURN, "y")), button("Reset", () => this.look()),
        button("Picture", () => this.picture(), "Save this view as a picture"),
        button("Stills", () => this.stills(), "Show the still pictures or the 3D view"),
      );
      const help = made("p", `${KEYS} A pointer does the same.`, { class: "soft keys", id: `${this.figure.id}-keys` });
      this.place.setAttribute("aria-describedby", help.id);
      this.figure.prepend(panel, this.place, this.legend, help);
    }

    labelled(text, control) {
      const label = made("label", `${text} `);
      label.append(control);
      return label;
    }

    show(which) {
      this.stop();
      const view = this.view = this.views[which];
      if (typeof view.places === "string") unpack(view);
      this.place.setAttribute("aria-label", `3D view. ${view.alt}`);
      this.colours.replaceChildren();
      if (view.regions.length) this.colours.append(made("option", "region"));
      this.colours.append(made("option", "element"));
      this.colours.closest("label").hidden = !view.regions.length;
      this.motion.hidden = view.frames < 2;
      this.slider.max = view.frames - 1;
      this.canvas.removeAllModels();
      this.canvas.removeAllShapes();
      this.canvas.addModelsAsFrames(asXyz(view), "xyz");
      this.box();
      this.paint();
      this.go(0);
      this.look();
    }

    paint() {
      const { view } = this;
      const byRegion = this.colours.value === "region";
      view.elements.forEach(([element, colour, radius]) => {
        const own = { radius };
        if (byRegion) own.colorfunc = (atom) => view.regions[view.region_of[atom.serial]][1];
        else own.color = colour;
        this.canvas.setStyle({ elem: element }, { sphere: own });
      });
      const shown = byRegion
        ? view.regions
        : view.elements.map(([element, colour, , count]) => [element, colour, count]);
      this.legend.replaceChildren(...shown.map(([name, colour, count]) => {
        const item = made("li", `${name} (${count})`);
        const chip = made("span", "", { class: "chip" });
        chip.style.background = colour;
        item.prepend(chip);
        return item;
      }));
      this.canvas.render();
    }

    box() {
      const [a, b, c] = this.view.cell;
      const corner = (i, j, k) => ({
        x: i * a[0] + j * b[0] + k * c[0], y: i * a[1] + j * b[1] + k * c[1], z: i * a[2] + j * b[2] + k * c[2],
      });
      const color = ink();
      for (const [u, v] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
        this.canvas.addLine({ start: corner(0, u, v), end: corner(1, u, v), color });
        this.canvas.addLine({ start: corner(u, 0, v), end: corner(u, 1, v), color });
        this.canvas.addLine({ start: corner(u, v, 0), end: corner(u, v, 1), color });
      }
    }

    look() {
      const [a, , c] = this.view.cell;
      const length = (vector) => Math.hypot(...vector);
      this.canvas.setView([0, 0, 0, 0, 0, 0, 0, 1]);
      this.canvas.rotate(-90, "vx"); // z upwards
      if (length(c) > 1.5 * length(a)) this.canvas.rotate(-90, "vz"); // a tall cell lies
      this.canvas.rotate(8, "vx");
      this.canvas.rotate(12, "vy");
      this.canvas.zoomTo();
      this.canvas.zoom(this.room());
      this.canvas.render();
    }

    // zoomTo fits a sphere around the atoms; the cell may have more room, or need more
    room() {
      const lengths = this.view.cell.map((vector) => Math.hypot(...vector));
      if (!lengths[2]) return 0.9;
      const [across, along] = [Math.max(lengths[0], lengths[1]), lengths[2]];
      const sphere = Math.hypot(...lengths);
      const [wide, high] = along > 1.5 * lengths[0] ? [along, across] : [across, along];
      const shape = this.place.clientWidth / this.place.clientHeight;
      return Math.min(2.5, 0.72 * Math.min((shape * sphere) / wide, sphere / high));
    }

    turn(degrees, axis) {
      this.canvas.rotate(degrees, `v${axis}`);
      this.canvas.render();
    }

    go(frame) {
      this.frame = frame;
      this.slider.value = frame;
      const at = this.view.times_ps[frame];
      this.time.textContent = at === undefined ? "" : `${at.toFixed(1)} ps`;
      if (this.view.frames > 1) this.canvas.setFrame(frame).then(() => this.canvas.render());
    }

    toggle() {
      if (this.timer) { this.stop(); return; }
      this.play.textContent = "Stop";
      say("Playing");
      this.timer = setInterval(() => this.go((this.frame + 1) % this.view.frames), MILLISECONDS_A_FRAME);
    }

    stop() {
      clearInterval(this.timer);
      this.timer = null;
      this.play.textContent = "Play";
    }

    press(event) {
      const acts = {
        ArrowLeft: () => this.turn(-TURN, "y"), ArrowRight: () => this.turn(TURN, "y"),
        ArrowUp: () => this.turn(-TURN, "x"), ArrowDown: () => this.turn(TURN, "x"),
        "+": () => this.canvas.zoom(1.2), "-": () => this.canvas.zoom(1 / 1.2),
        Home: () => this.look(), " ": () => this.view.frames > 1 && this.toggle(),
      };
      if (!acts[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      acts[event.key]();
    }

    picture() {
      fetchless(this.canvas.pngURI(), (blob) => save(blob, "image/png", `${this.figure.id}.png`));
    }

    stills() {
      this.stop();
      this.figure.classList.toggle("live");
    }

    repaint() {
      this.canvas.setBackgroundColor(paper());
      this.canvas.removeAllShapes();
      this.box();
      this.canvas.render();
    }
  }

  function fetchless(uri, then) {
    then(new Blob([bytes(uri.split(",")[1])], { type: "image/png" }));
  }

  function start(figure) {
    const views = JSON.parse(document.getElementById(figure.dataset.views).textContent);
    figure.stage = new Stage(figure, views);
  }

  const figures = document.querySelectorAll("figure.viewer");
  if (!figures.length || !window.$3Dmol || !hasWebGl()) return;
  const watch = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      start(target);
    }
  }, { rootMargin: "300px" });
  figures.forEach((figure) => watch.observe(figure));
})();
