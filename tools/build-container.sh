#!/bin/bash
# Builds a small OCI image from Debian's busybox-static alone, without root and without a container engine:
#
#   tools/build-container.sh OUTDIR  ->  OUTDIR/trivet-container.oci.tar, OUTDIR/trivet-container.oci.tar.sha256
#
# An archive of an OCI layout is three JSON documents, each naming the next by digest, and a tar of the files.
# The same input gives the same bytes. Does nothing when the image is there and is made of the same.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { echo "usage: tools/build-container.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
image=$out/trivet-container.oci.tar

[ -x /bin/busybox ] || { echo "build-container: missing: busybox-static (tools/setup-system.sh installs it)" >&2; exit 1; }
key=$(cat "$here/build-container.sh" "$here/container/serve" /bin/busybox | sha256sum | cut -c1-64)
[ -e "$image" ] && [ "$(cat "$out/.container-key" 2>/dev/null)" = "$key" ] && exit 0

work=$(mktemp -d "$out/.container.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
layout=$work/layout
mkdir -p "$root"/{bin,etc,proc,sys,dev,run,tmp,root,var,www} "$layout/blobs/sha256"

cp /bin/busybox "$here/container/serve" "$root/bin/"
for applet in $(busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
ln -s bin "$root/sbin"
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"
chmod 1777 "$root/tmp"

pack() { # FOLDER: a tar that is the same for the same content
    tar -C "$1" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -c .
}
store() { # FILE: into the layout under its digest, which it prints
    local digest
    digest=$(sha256sum "$1" | cut -c1-64)
    mv "$1" "$layout/blobs/sha256/$digest"
    echo "$digest"
}
size() { stat -c %s "$layout/blobs/sha256/$1"; }
OCI=application/vnd.oci.image

pack "$root" > "$work/layer.tar"
content=$(sha256sum "$work/layer.tar" | cut -c1-64)
gzip -n -9 "$work/layer.tar"
layer=$(store "$work/layer.tar.gz")

cat > "$work/config" <<J
{"created": "1970-01-01T00:00:00Z", "architecture": "amd64", "os": "linux",
 "config": {"Cmd": ["/bin/serve"], "Env": ["PATH=/bin:/sbin"], "WorkingDir": "/", "StopSignal": "SIGTERM",
            "ExposedPorts": {"80/tcp": {}}},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$content"]},
 "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "tools/build-container.sh"}]}
J
config=$(store "$work/config")

cat > "$work/manifest" <<J
{"schemaVersion": 2, "mediaType": "$OCI.manifest.v1+json",
 "config": {"mediaType": "$OCI.config.v1+json", "digest": "sha256:$config", "size": $(size "$config")},
 "layers": [{"mediaType": "$OCI.layer.v1.tar+gzip", "digest": "sha256:$layer", "size": $(size "$layer")}]}
J
manifest=$(store "$work/manifest")

echo '{"imageLayoutVersion": "1.0.0"}' > "$layout/oci-layout"
cat > "$layout/index.json" <<J
{"schemaVersion": 2, "manifests": [
  {"mediaType": "$OCI.manifest.v1+json", "digest": "sha256:$manifest", "size": $(size "$manifest"),
   "platform": {"architecture": "amd64", "os": "linux"},
   "annotations": {"org.opencontainers.image.ref.name": "latest"}}]}
J

pack "$layout" > "$work/trivet-container.oci.tar"
(cd "$work" && sha256sum trivet-container.oci.tar) > "$work/sum"
rm -f "$out/.container-key"
mv "$work/trivet-container.oci.tar" "$image"
mv "$work/sum" "$image.sha256"
echo "$key" > "$out/.container-key"
echo "build-container: made $image ($(($(stat -c %s "$image") / 1024)) KiB)" >&2
