#!/bin/bash
# A Slurm of one node on this machine, for tests: loopback only, no systemd, no cgroups, no
# accounting database. Needs root on Debian or Ubuntu. Run again, it starts what does not run.
#
#   sudo bash scripts/slurm-test.sh && pytest -m slurm
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
if ! command -v slurmctld >/dev/null; then
  apt-get -qq update
  apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends slurm-wlm munge >/dev/null
fi
host=$(hostname -s)
cpus=$(getconf _NPROCESSORS_ONLN)
memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
# the node must resolve to itself
getent hosts "$host" >/dev/null || echo "127.0.0.1 $host" >>/etc/hosts
install -d -m 0755 -o munge -g munge /run/munge /var/log/munge /var/lib/munge
install -d /var/spool/slurmctld /var/spool/slurmd /var/log/slurm /run/slurm
# linuxproc and task/none: no cgroups needed in a container.
# The short intervals make jobs start within seconds; KillWait is how long after SIGTERM SIGKILL is.
cat >/etc/slurm/slurm.conf <<CONF
ClusterName=interlith
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=6817
SlurmdPort=6818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurm/slurmd.pid
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=/var/log/slurm/jobcomp.log
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
KillWait=5
MinJobAge=600
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=debug Nodes=$host Default=YES MaxTime=01:00:00 State=UP OverSubscribe=NO
CONF
pgrep -x munged >/dev/null || runuser -u munge -- /usr/sbin/munged
for _ in $(seq 50); do
  munge -n >/dev/null 2>&1 && break
  sleep 0.1
done
pgrep -x slurmctld >/dev/null || slurmctld
pgrep -x slurmd >/dev/null || slurmd
for _ in $(seq 60); do
  timeout 3 sinfo -h -o %T 2>/dev/null | grep -Eq 'idle|mixed|allocated' && { sinfo; exit 0; }
  sleep 0.5
done
echo "Slurm did not come up; see /var/log/slurm" >&2
exit 1
