#!/bin/busybox sh
# The first process of the virtual machine: brings all CPUs up, runs the driver, copies its report out, ends.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b mkdir -p /dev/shm
$b mount -t tmpfs shm /dev/shm
$b mount -t tmpfs tmp /tmp
$b mount -t cgroup2 cgroup2 /sys/fs/cgroup
$b ip link set lo up 2>/dev/null || $b ifconfig lo 127.0.0.1 up
$b stty -F /dev/ttyS1 raw -echo 2>/dev/null
# The kernel was started on one CPU: with many it hangs now and then under software emulation.
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
  [ -e "$cpu/online" ] && [ "$($b cat "$cpu/online")" = 0 ] && echo 1 > "$cpu/online"
done
echo 'machine: up' > /dev/ttyS1
export HOME=/root PATH=/bin
cd /app
/bin/node test/machine/guest/drive.js > /dev/ttyS1 2>&1
$b sync
$b poweroff -f
