#!/usr/bin/env bash
# Builds dist/trivet_VERSION_ARCH.deb from the wheel in dist/ (tools/build-dist.sh), for the Debian that this runs on.
# The package carries what it needs from PyPI in an environment of its own, below /usr/lib/trivet; why:
# docs/decisions/0043-debian-package.md.
set -euo pipefail
cd "$(dirname "$0")/.."
die() { echo "build-deb: $*" >&2; exit 1; }
wheel=$(ls dist/trivet-*.whl 2>/dev/null) || die "no wheel in dist; run tools/build-dist.sh first"
command -v dpkg-deb >/dev/null || die "dpkg-deb is missing: this is no Debian"
python=/usr/bin/python3
version=${wheel#dist/trivet-}
version=${version%%-*}
read -r minor next < <($python -c 'import sys; v = sys.version_info; print(f"3.{v[1]} 3.{v[1] + 1}")')
architecture=$(dpkg --print-architecture)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
lib=$root/usr/lib/trivet
mkdir -p "$root/DEBIAN" "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/etc/trivet" "$root/usr/share/doc/trivet" \
    "$root/usr/share/bash-completion/completions" "$root/usr/share/fish/vendor_completions.d"
chmod 755 "$root"

# An environment finds itself by where its python lies, so it may be built here and used there.
$python -m venv --without-pip "$lib"
$python -m venv "$work/pip"
"$work/pip/bin/pip" --python "$lib/bin/python3" install --quiet --disable-pip-version-check --no-compile "$wheel"
find "$lib/bin" -type f -delete
rm -f "$lib/bin/python" "$lib/bin/python3.$minor"
rm -rf "$lib/include" "$lib/lib64"
printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = %s\n' "$minor" > "$lib/pyvenv.cfg"
ln -sfn /usr/bin/python3 "$lib/bin/python3"
cat > "$lib/bin/trivet" <<'T'
#!/usr/lib/trivet/bin/python3
import sys

from trivet.cli.main import main

sys.exit(main())
T
chmod 755 "$lib/bin/trivet"
ln -s ../lib/trivet/bin/trivet "$root/usr/bin/trivet"

trivet() { PYTHONDONTWRITEBYTECODE=1 "$lib/bin/python3" -m trivet.cli.main "$@"; }
trivet completion bash > "$root/usr/share/bash-completion/completions/trivet"
trivet completion fish > "$root/usr/share/fish/vendor_completions.d/trivet.fish"
install -m 644 packaging/systemd/*.service "$root/usr/lib/systemd/system/"
install -m 640 packaging/trivet.toml "$root/etc/trivet/trivet.toml"
install -D -m 644 packaging/trivet.toml "$root/usr/share/doc/trivet/examples/trivet.toml"
cp -r docs README.md CHANGELOG.md SECURITY.md "$root/usr/share/doc/trivet/"
printf 'Copyright: the Trivet authors\nLicense: Apache-2.0; see /usr/share/common-licenses/Apache-2.0\n\n%s\n' \
    "Packages of others below /usr/lib/trivet have their licences beside them, in *.dist-info." \
    > "$root/usr/share/doc/trivet/copyright"

# What the engines need is said in one place.
engines=$(bash -c 'source <(sed -n "/^RUN=(/,/^)/p" tools/setup-system.sh); printf "%s\n" "${RUN[@]}"' |
    grep -vE '^(busybox-static|dropbear-bin|netcat-openbsd|cpio|zstd|fdisk|dosfstools|mtools|syslinux.*|systemd-boot-efi|python3.*|git|make|ca-certificates)$' |
    paste -sd, | sed 's/,/, /g')
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@PYTHON@/$minor/" \
    -e "s/@PYTHON_NEXT@/$next/" -e "s/@ENGINES@/$engines/" packaging/debian/control > "$root/DEBIAN/control"
echo /etc/trivet/trivet.toml > "$root/DEBIAN/conffiles"
install -m 755 packaging/debian/postinst packaging/debian/prerm packaging/debian/postrm "$root/DEBIAN/"
find "$root" -name __pycache__ -type d -prune -exec rm -rf {} +
chmod -R u=rwX,go=rX "$root/usr"
dpkg-deb --root-owner-group --build "$root" "dist/trivet_${version}_$architecture.deb" >/dev/null
ls -sh "dist/trivet_${version}_$architecture.deb"
