#!/bin/sh
# A second host on this machine: runs in namespaces of its own, as their first process. $1 is its folder, $2 its address,
# $3 its name, $4 the address of the registry, $5 and $6 folders that it shares with this machine.
set -eu
folder=$1 address=$2 name=$3 registry=$4
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd "$folder/docker" "$folder/home"
mount --bind "$folder/docker" /var/lib/docker
# The places to which anybody may write are its own, so that a listing tells what was left on it; $5 and $6 stay seen.
for kept in "$5" "$6"; do
    mkdir -p "/run/kept/$kept"
    mount --bind "$kept" "/run/kept/$kept"
done
for place in /home /root /tmp /var/tmp; do
    mount -t tmpfs -o "mode=$(stat -c %a "$place")" tmpfs "$place"
done
for kept in "$5" "$6"; do
    mkdir -p "$kept"
    mount --bind "/run/kept/$kept" "$kept"
done
# Only here is there a user deploy: in the group docker, with a key, and no right to anything else.
for file in passwd group shadow; do cp -p "/etc/$file" "$folder/$file"; done
sed -i '/^deploy:/d' "$folder/passwd" "$folder/shadow" "$folder/group"
sed -i '/^docker:/d' "$folder/group"
echo "deploy:x:4711:4711::$folder/home:/bin/sh" >>"$folder/passwd"
echo 'deploy:*:19000:0:99999:7:::' >>"$folder/shadow"
printf 'deploy:x:4711:\ndocker:x:4712:deploy\n' >>"$folder/group"
for file in passwd group shadow; do mount --bind "$folder/$file" "/etc/$file"; done
hostname "$name"
chown 4711:4711 "$folder/home"
dockerd --group docker --host unix:///var/run/docker.sock --host "unix://$folder/docker.sock" \
    --insecure-registry "$registry/32" >"$folder/dockerd.log" 2>&1 &
exec "$(command -v sshd)" -D -e -f "$folder/sshd_config" 2>"$folder/sshd.log"
