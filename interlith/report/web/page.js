// What scripts add to a report: light and dark by hand, tables that sort and download, figures as
// files. Without scripts the page says the same.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripts");

  function made(name, text, attributes) {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    return element;
  }

  function button(text, act, label) {
    const one = made("button", text, { type: "button" });
    if (label) one.setAttribute("aria-label", label);
    one.addEventListener("click", act);
    return one;
  }

  function save(content, kind, name) {
    const link = made("a", "", { download: name });
    link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: kind }));
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  const said = made("p", "", { class: "hidden", "aria-live": "polite" });
  document.body.append(said);
  const say = (text) => { said.textContent = text; };

  // ---- light and dark

  const KEY = "interlith-theme";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function kept() {
    try { return localStorage.getItem(KEY); } catch { return null; }
  }

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
  }

  function setTheme(theme) {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    toggle.textContent = isDark() ? "Light page" : "Dark page";
    root.dispatchEvent(new Event("themechange"));
  }

  const toggle = button("Dark page", () => {
    const next = isDark() ? "light" : "dark";
    try { localStorage.setItem(KEY, next); } catch { /* a file may have no storage */ }
    setTheme(next);
  });
  toggle.className = "theme";
  document.querySelector("header").prepend(toggle);
  dark.addEventListener("change", () => setTheme());
  setTheme(kept());

  // ---- tables

  const words = (cell) => cell.textContent.replace(/\s+/g, " ").trim();
  const plain = (text) => text.replace(/−/g, "-");

  function keyOf(cell) {
    const number = cell.querySelector("[data-value]");
    if (number) return Number(number.dataset.value);
    const text = plain(words(cell));
    if (text === "" || text === "–" || text === "none") return null;
    const leading = text.match(/^-?\d+(\.\d+)?(e[+-]?\d+)?(?=$|[ %])/i);
    return leading ? Number(leading[0]) : text.toLowerCase();
  }

  function compare(a, b) {
    if (typeof a === typeof b) {
      return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
    }
    return typeof a === "number" ? -1 : 1;
  }

  function sort(table, column) {
    const heads = [...table.tHead.rows[0].cells];
    const head = heads[column];
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row.cells[column]), row]);
    const known = rows.filter(([key]) => key !== null);
    known.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
    const missing = rows.filter(([key]) => key === null);
    table.tBodies[0].append(...[...known, ...missing].map(([, row]) => row));
    say(`Sorted by ${words(head)}, ${down ? "descending" : "ascending"}`);
  }

  function numberAlone(cell) {
    const numbers = cell.querySelectorAll(".number");
    if (numbers.length === 0) return ["", "–"].includes(words(cell)) ? {} : null;
    return numbers.length === 1 && words(numbers[0]) === words(cell) ? numbers[0].dataset : null;
  }

  function csv(table) {
    const quote = (text) => {
      const safe = /^[=+@\t]/.test(text) ? `'${text}` : text; // no formula for a spreadsheet
      return /[",\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
    };
    const rows = [...table.tBodies[0].rows];
    const columns = [...table.tHead.rows[0].cells].map((head, i) => {
      const found = rows.map((row) => numberAlone(row.cells[i]));
      const units = new Set(found.filter((n) => n && n.value).map((n) => n.unit || ""));
      if (found.includes(null) || units.size !== 1) {
        return [[words(head), ...rows.map((row) => plain(words(row.cells[i])))]];
      }
      const unit = [...units][0] ? ` (${[...units][0]})` : "";
      const values = [words(head) + unit, ...found.map((n) => n.value || "")];
      if (!found.some((n) => n.sigma)) return [values];
      return [values, [`${words(head)}, standard uncertainty${unit}`, ...found.map((n) => n.sigma || "")]];
    }).flat();
    return columns[0].map((_, i) => columns.map((column) => quote(column[i])).join(",")).join("\n") + "\n";
  }

  function fileName(text) {
    return text.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 40).replace(/^-|-$/g, "") || "table";
  }

  for (const table of document.querySelectorAll("main table")) {
    const name = words(table.caption);
    if (table.tBodies[0].rows.length > 1) {
      [...table.tHead.rows[0].cells].forEach((head, column) => {
        const act = button("", () => sort(table, column));
        act.append(...head.childNodes);
        act.title = "Sort by this column";
        head.append(act);
      });
    }
    const tools = made("p", "", { class: "tools" });
    tools.append(button("Table as CSV", () => save(csv(table), "text/csv", `${fileName(name)}.csv`), `Table as CSV: ${name}`));
    table.closest(".scroll").after(tools);
  }

  // ---- figures

  function drawing(figure) {
    const copy = figure.querySelector("svg").cloneNode(true);
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("color", "#000000");
    const box = copy.viewBox.baseVal;
    copy.setAttribute("width", box.width);
    copy.setAttribute("height", box.height);
    return new XMLSerializer().serializeToString(copy);
  }

  function savePng(figure, name) {
    const image = new Image();
    image.onload = () => {
      const canvas = made("canvas");
      canvas.width = 3 * image.width;
      canvas.height = 3 * image.height;
      const context = canvas.getContext("2d");
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, "image/png", `${name}.png`));
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawing(figure))}`;
  }

  for (const figure of document.querySelectorAll("figure[data-name]:has(svg)")) {
    const name = figure.dataset.name;
    const title = words(figure.querySelector("svg title"));
    const tools = made("p", "", { class: "tools" });
    tools.append(
      button("SVG", () => save(drawing(figure), "image/svg+xml", `${name}.svg`), `${title} as SVG`),
      button("PNG", () => savePng(figure, name), `${title} as PNG`),
    );
    figure.append(tools);
  }

  window.interlith = { made, button, save, say };
})();
