"""The pages that open a console in a browser: noVNC as its distribution packages it, around our websocket."""

from html import escape
from pathlib import Path

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.errors import NotFound

_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}

resource = Resource()

_VNC_PAGE = b"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>noVNC - Trivet console</title>
<style>html,body{margin:0;height:100%;background:#15171a;color:#eee;font:14px system-ui}
#state{padding:4px 10px}#screen{height:calc(100% - 26px)}</style></head>
<body><div id="state" role="status">Connecting</div><div id="screen"></div>
<script type="module">
import RFB from "/console/novnc/core/rfb.js";
const state = document.getElementById("state");
const socket = location.href.replace(/^http/, "ws");
const rfb = new RFB(document.getElementById("screen"), socket);
rfb.scaleViewport = true;
rfb.addEventListener("connect", () => { state.textContent = "Connected"; });
rfb.addEventListener("disconnect", () => { state.textContent = "Closed. Ask for a new console to come back."; });
</script></body></html>
"""

_NO_NOVNC_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Trivet console</title></head>
<body><p>This screen cannot be shown: noVNC is not installed on the machine that answers here. It should lie at
<code>{root}</code>. Its operator installs it with <code>apt install novnc</code>, or with
<code>tools/build-novnc.sh</code> and the setting <code>novnc</code>. The serial console needs nothing:
<code>openstack console url show --serial SERVER</code>.</p></body></html>
"""

_SERIAL_PAGE = b"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Trivet serial console</title>
<style>html,body{margin:0;height:100%;background:#15171a;color:#eee}
pre{margin:0;padding:10px;white-space:pre-wrap;font:14px monospace;outline:none;min-height:100%}</style></head>
<body><pre id="out" tabindex="0">Connecting\n</pre>
<script type="module">
const out = document.getElementById("out"), text = new TextDecoder(), keys = new TextEncoder();
const socket = new WebSocket(location.href.replace(/^http/, "ws"), ["binary"]);
const special = {Enter: "\\r", Backspace: "\\x7f", Tab: "\\t", Escape: "\\x1b", ArrowUp: "\\x1b[A",
                 ArrowDown: "\\x1b[B", ArrowRight: "\\x1b[C", ArrowLeft: "\\x1b[D"};
const plain = (said) => said.replace(/\\x1b\\[[0-9;?]*[A-Za-z]/g, "").replace(/\\r/g, "");
socket.binaryType = "arraybuffer";
socket.onopen = () => { out.textContent = ""; out.focus(); socket.send(keys.encode("\\r")); };
socket.onmessage = (message) => {
  out.textContent += plain(text.decode(message.data, {stream: true}));
  scrollTo(0, document.body.scrollHeight);
};
socket.onclose = () => { out.textContent += "\\n[closed; ask for a new console to come back]\\n"; };
out.onkeydown = (event) => {
  const key = event.ctrlKey && event.key.length === 1 ? String.fromCharCode(event.key.toUpperCase().charCodeAt(0) & 31)
    : special[event.key] ?? (event.key.length === 1 ? event.key : null);
  if (key !== null) { event.preventDefault(); socket.send(keys.encode(key)); }
};
</script></body></html>
"""


@resource.on("GET", "/vnc", may="public", tx="none")
async def vnc(request: Request) -> Reply:
    root = Path(request.parts.settings.novnc)
    if not (root / "core" / "rfb.js").is_file():
        page = _NO_NOVNC_PAGE.format(root=escape(str(root))).encode()
        return Reply(503, page, content_type="text/html; charset=utf-8")
    return Reply(200, _VNC_PAGE, content_type="text/html; charset=utf-8")


@resource.on("GET", "/serial", may="public", tx="none")
async def serial(request: Request) -> Reply:
    return Reply(200, _SERIAL_PAGE, content_type="text/html; charset=utf-8")


@resource.on("GET", "/novnc/{file:path}", may="public", tx="none")
async def novnc(request: Request) -> Reply:
    root = Path(request.parts.settings.novnc).resolve()
    wanted = (root / request.values["file"]).resolve()
    if not wanted.is_relative_to(root) or not wanted.is_file() or wanted.suffix not in _TYPES:
        hint = "" if root.is_dir() else f" noVNC is not at {root}; tools/build-novnc.sh fetches it."
        raise NotFound("console.file_absent", f"There is no such file.{hint}")
    return Reply(200, wanted.read_bytes(), content_type=_TYPES[wanted.suffix])
