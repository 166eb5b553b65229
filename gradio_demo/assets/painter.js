// Paint three kinds of masks over a picture. The value is what the server knows:
//   {stamp, picture, width, height, full_width, full_height, paint: {fill, avoid, guide}, kind, guide, source, sample,
//    file, mask_file, point, brush, only}
// A new stamp means that the server changed something, and `only` what kinds of paint, if not all of them. Paint is a PNG
// as data URL, "" where nothing is painted.
const COLOURS = { fill: "#ff2d87", avoid: "#2f8bff", guide: "#0fbf74" };
const STRENGTH = { fill: 0.55, avoid: 0.6, guide: 0.95 };
const MOST_STEPS = 40;
const find = (query) => element.querySelector(query);
const all = (query) => [...element.querySelectorAll(query)];
const stage = find(".stage"), canvas = find(".stage canvas"), ring = find(".ring"), said = find(".said");
const slider = find(".size input"), camera = find(".camera"), video = find("video");
const ctx = canvas.getContext("2d");
const scratch = document.createElement("canvas");

let stamp = null, address = "", picture = null, width = 0, height = 0;
let masks = {}, kind = "fill", tool = "brush";
let view = { scale: 1, x: 0, y: 0, fitted: true };
let undone = [], done = [];
let stroke = null, pan = null, pinch = null, waiting = false;
let spot = null, guided = false, paints = {};
const touches = new Map();

function say(text) { said.textContent = text; said.classList.toggle("shown", Boolean(text)); }

function surface() {
  const made = document.createElement("canvas");
  made.width = width; made.height = height;
  return made;
}
const brushOf = (mask) => mask.getContext("2d", { willReadFrequently: true });
const diameter = () => Math.max(2, ((slider.value / 100) ** 2) * 0.5 * Math.max(width, height));

// ---- drawing -------------------------------------------------------------------------------------------------

function draw() {
  waiting = false;
  const ratio = window.devicePixelRatio || 1;
  const across = Math.round(stage.clientWidth * ratio), down = Math.round(stage.clientHeight * ratio);
  if (canvas.width !== across || canvas.height !== down) { canvas.width = across; canvas.height = down; }
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, across, down);
  if (!picture || !across || !down) return;
  place(ctx, ratio);
  ctx.imageSmoothingEnabled = view.scale < 3;
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(picture, 0, 0, width, height);
  for (const name of Object.keys(COLOURS)) {
    if (name === "guide" && !guided) continue;
    if (name === "avoid") drawStriped(ratio); else { ctx.globalAlpha = STRENGTH[name]; ctx.drawImage(masks[name], 0, 0); }
    ctx.globalAlpha = 1;
  }
  if (stroke?.loop) drawLoop();
}
function place(target, ratio) { target.setTransform(view.scale * ratio, 0, 0, view.scale * ratio, view.x * ratio, view.y * ratio); }
function drawStriped(ratio) {
  scratch.width = canvas.width; scratch.height = canvas.height;
  const paper = scratch.getContext("2d");
  place(paper, ratio);
  paper.drawImage(masks.avoid, 0, 0);
  paper.setTransform(1, 0, 0, 1, 0, 0);
  paper.globalCompositeOperation = "source-atop";
  paper.strokeStyle = "rgba(255,255,255,.75)";
  paper.lineWidth = 2.5 * ratio;
  paper.beginPath();
  for (let x = -canvas.height; x < canvas.width; x += 11 * ratio) { paper.moveTo(x, 0); paper.lineTo(x + canvas.height, canvas.height); }
  paper.stroke();
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.globalAlpha = STRENGTH.avoid;
  ctx.drawImage(scratch, 0, 0);
  place(ctx, ratio);
}
function drawLoop() {
  ctx.lineWidth = 2 / view.scale; ctx.strokeStyle = COLOURS[kind]; ctx.setLineDash([6 / view.scale, 4 / view.scale]);
  ctx.beginPath();
  stroke.loop.forEach((p, i) => (i ? ctx.lineTo(p.x, p.y) : ctx.moveTo(p.x, p.y)));
  ctx.stroke(); ctx.setLineDash([]);
}
function refresh() { if (!waiting) { waiting = true; requestAnimationFrame(draw); } }

function fit() {
  if (!width) return;
  const scale = Math.min(stage.clientWidth / width, stage.clientHeight / height);
  view = { scale, x: (stage.clientWidth - width * scale) / 2, y: (stage.clientHeight - height * scale) / 2, fitted: true };
  refresh(); showRing();
}
function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  if (!width) return;
  const smallest = Math.min(stage.clientWidth / width, stage.clientHeight / height);
  const scale = Math.min(24, Math.max(smallest, view.scale * factor));
  if (scale === smallest) { fit(); return; }
  view = { scale, x: x - ((x - view.x) * scale) / view.scale, y: y - ((y - view.y) * scale) / view.scale, fitted: false };
  refresh(); showRing();
}

// ---- strokes -------------------------------------------------------------------------------------------------

function at(event) {
  const box = stage.getBoundingClientRect();
  return { x: (event.clientX - box.left - view.x) / view.scale, y: (event.clientY - box.top - view.y) / view.scale };
}
function begin(point, loop) {
  const mask = masks[kind], before = surface();
  before.getContext("2d").drawImage(mask, 0, 0);
  stroke = { kind, before, last: point, left: width, top: height, right: 0, bottom: 0, loop: loop ? [point] : null };
  if (!loop) extend(point);
}
function extend(point) {
  if (stroke.loop) { stroke.loop.push(point); cover(point, 1); refresh(); return; }
  const pen = brushOf(masks[stroke.kind]), wide = diameter();
  pen.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
  pen.strokeStyle = COLOURS[stroke.kind];
  pen.lineWidth = wide; pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(stroke.last.x, stroke.last.y);
  pen.lineTo(point.x + 0.01, point.y);
  pen.stroke();
  cover(stroke.last, wide); cover(point, wide);
  stroke.last = point;
  refresh();
}
function cover(point, wide) {
  const r = wide / 2 + 2;
  stroke.left = Math.min(stroke.left, point.x - r); stroke.right = Math.max(stroke.right, point.x + r);
  stroke.top = Math.min(stroke.top, point.y - r); stroke.bottom = Math.max(stroke.bottom, point.y + r);
}
function point({ x, y }, take) {
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  const { full_width: across, full_height: down } = props.value;
  const where = { x: Math.floor((x * across) / width), y: Math.floor((y * down) / height), take };
  props.value = { ...props.value, point: where, brush: kind };
  trigger("pick");
}
function finish() {
  if (!stroke) return;
  if (stroke.loop) {
    const pen = brushOf(masks[stroke.kind]);
    pen.globalCompositeOperation = "source-over";
    pen.fillStyle = COLOURS[stroke.kind];
    pen.beginPath();
    stroke.loop.forEach((p, i) => (i ? pen.lineTo(p.x, p.y) : pen.moveTo(p.x, p.y)));
    pen.fill();
  }
  remember(stroke);
  stroke = null;
  refresh();
}
function remember({ kind: name, before, left, top, right, bottom }) {
  const x = Math.max(0, Math.floor(left)), y = Math.max(0, Math.floor(top));
  const w = Math.min(width, Math.ceil(right)) - x, h = Math.min(height, Math.ceil(bottom)) - y;
  if (w <= 0 || h <= 0) return;
  const was = before.getContext("2d").getImageData(x, y, w, h), is = brushOf(masks[name]).getImageData(x, y, w, h);
  done.push({ name, x, y, was, is });
  if (done.length > MOST_STEPS) done.shift();
  undone = [];
  publish([name]);
}
function step(from, to, which) {
  const entry = from.pop();
  if (!entry) return;
  brushOf(masks[entry.name]).putImageData(entry[which], entry.x, entry.y);
  to.push(entry);
  publish([entry.name]); refresh();
}
function clear() {
  const before = surface();
  before.getContext("2d").drawImage(masks[kind], 0, 0);
  const pen = brushOf(masks[kind]);
  pen.clearRect(0, 0, width, height);
  remember({ kind, before, left: 0, top: 0, right: width, bottom: height });
  refresh();
}
function painted(mask) {
  const data = brushOf(mask).getImageData(0, 0, width, height).data;
  for (let i = 3; i < data.length; i += 4) if (data[i] > 127) return true;
  return false;
}
function publish(names) {
  for (const name of names) paints[name] = painted(masks[name]) ? masks[name].toDataURL("image/png") : "";
  props.value = { ...props.value, paint: { ...paints } };
  buttons();
}

// ---- what the server gives ---------------------------------------------------------------------------------------

const image = (url) => new Promise((resolve, reject) => {
  const made = new Image();
  made.onload = () => resolve(made);
  made.onerror = () => reject(new Error("the picture cannot be shown"));
  made.src = url;
});

async function load(value) {
  stamp = value?.stamp ?? null;
  const mine = stamp;
  if (!value?.picture?.url) { picture = null; width = height = 0; address = ""; element.firstElementChild.classList.remove("full"); refresh(); buttons(); return; }
  const same = value.picture.url === address && picture;
  const shown = same ? picture : await image(value.picture.url);
  const names = (same && value.only) || Object.keys(COLOURS);
  const loaded = await Promise.all(names.map((name) => (value.paint?.[name] ? image(value.paint[name]) : null)));
  if (stamp !== mine) return;
  if (!same) {
    picture = shown; address = value.picture.url; width = value.width; height = value.height;
    done = []; undone = [];
    masks = Object.fromEntries(names.map((name) => [name, surface()]));
    paints = {};
    stage.style.setProperty("--ratio", width / height);
    element.firstElementChild.classList.add("full");
  }
  names.forEach((name, index) => { take(name, loaded[index], same); paints[name] = value.paint?.[name] || ""; });
  props.value = { ...props.value, paint: { ...paints } };
  guided = Boolean(value.guide);
  say("");
  choose(value.kind || kind);
  buttons();
  requestAnimationFrame(() => { if (same) refresh(); else fit(); });
}
function take(name, mask, undoable) {
  const before = surface();
  before.getContext("2d").drawImage(masks[name], 0, 0);
  const pen = brushOf(masks[name]);
  pen.globalCompositeOperation = "source-over";
  pen.clearRect(0, 0, width, height);
  if (mask) {
    pen.drawImage(mask, 0, 0, width, height);
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = COLOURS[name];
    pen.fillRect(0, 0, width, height);
  }
  if (!undoable) return;
  const whole = [0, 0, width, height];
  const was = before.getContext("2d").getImageData(...whole), is = pen.getImageData(...whole);
  if (was.data.some((level, index) => level !== is.data[index])) done.push({ name, x: 0, y: 0, was, is });
}

async function give(file, slot, event) {
  if (!file) return;
  if (props.max_bytes && file.size > props.max_bytes) {
    say(`This file is ${Math.ceil(file.size / 1e6)} MB; at most ${Math.floor(props.max_bytes / 1e6)} MB are taken: make it smaller first.`);
    return;
  }
  say("Loading " + file.name + " …");
  try {
    const { path, url } = await upload(file);
    const given = { path, url, orig_name: file.name, size: file.size, mime_type: file.type, meta: { _type: "gradio.FileData" } };
    props.value = { ...(props.value || {}), [slot]: given };
    trigger(event);
  } catch (error) {
    say("This file could not be sent: it may be too large, or the connection broke.");
  }
}
const openPhoto = (file) => give(file, "file", "upload");
const openMask = (file) => give(file, "mask_file", "mask_in");

// ---- camera and clipboard ----------------------------------------------------------------------------------------

async function startCamera() {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    camera.hidden = false;
    await video.play();
    find("[data-act=snap]").focus();
  } catch { say("No camera can be used here: allow it in the browser, or choose a photo."); }
}
function stopCamera() {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null; camera.hidden = true;
}
function snap() {
  const shot = document.createElement("canvas");
  shot.width = video.videoWidth; shot.height = video.videoHeight;
  shot.getContext("2d").drawImage(video, 0, 0);
  stopCamera();
  shot.toBlob((blob) => openPhoto(new File([blob], "camera.png", { type: "image/png" })), "image/png");
}
async function paste() {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((name) => name.startsWith("image/"));
      if (type) { openPhoto(new File([await item.getType(type)], "pasted.png", { type })); return; }
    }
    say("There is no picture in the clipboard.");
  } catch { say("The browser keeps its clipboard closed: press Ctrl+V instead."); }
}

// ---- controls ----------------------------------------------------------------------------------------------------

function buttons() {
  const enable = (act, on) => all(`[data-act=${act}]`).forEach((button) => { button.disabled = !on; });
  enable("undo", done.length); enable("redo", undone.length);
  enable("clear", Boolean(paints[kind]));
  enable("mask-in", picture); enable("mask-out", picture && paints.fill);
  const guide = find("[data-kind=guide]");
  guide.hidden = !guided;
  if (guide.hidden && kind === "guide") choose("fill");
}
function check(list, chosen, attribute) {
  for (const button of list) {
    const on = button.dataset[attribute] === chosen;
    button.setAttribute("aria-checked", on); button.tabIndex = on ? 0 : -1;
  }
}
function choose(name) {
  if (!(name in COLOURS) || (name === "guide" && !guided)) return;
  kind = name;
  element.firstElementChild.dataset.kind = name;
  check(all("[data-kind]:not(section)"), name, "kind");
  if (find("[data-act=clear]")) buttonsLater();
  showRing();
}
const buttonsLater = () => queueMicrotask(() => { find("[data-act=clear]").disabled = !paints[kind]; });
function pick(name) { tool = name; check(all("[data-tool]"), name, "tool"); showRing(); }

function showRing() {
  const wide = diameter() * view.scale;
  ring.style.display = spot && picture && !["lasso", "wand"].includes(tool) && !stroke?.loop ? "block" : "none";
  if (!spot) return;
  ring.style.width = ring.style.height = wide + "px";
  ring.style.transform = `translate(${spot.x * view.scale + view.x - wide / 2}px, ${spot.y * view.scale + view.y - wide / 2}px)`;
  ring.style.borderColor = tool === "eraser" ? "#fff" : COLOURS[kind];
}

const acts = {
  undo: () => step(done, undone, "was"), redo: () => step(undone, done, "is"), clear,
  in: () => zoom(1.4), out: () => zoom(1 / 1.4), fit,
  open: () => find(".photo-file").click(), "mask-in": () => find(".mask-file").click(), "mask-out": () => trigger("mask_out"),
  camera: startCamera, snap, cut: stopCamera, paste,
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.disabled) return;
  if (button.dataset.kind) choose(button.dataset.kind);
  else if (button.dataset.tool) pick(button.dataset.tool);
  else acts[button.dataset.act]?.();
});
for (const group of all("[role=radiogroup]")) {
  group.addEventListener("keydown", (event) => {
    const turn = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!turn) return;
    event.preventDefault();
    const list = [...group.querySelectorAll("button:not([hidden])")];
    const next = list[(list.indexOf(document.activeElement) + turn + list.length) % list.length];
    next.click(); next.focus();
  });
}
find(".photo-file").addEventListener("change", (event) => { openPhoto(event.target.files[0]); event.target.value = ""; });
find(".mask-file").addEventListener("change", (event) => { openMask(event.target.files[0]); event.target.value = ""; });
slider.addEventListener("input", () => { spot ||= { x: width / 2, y: height / 2 }; showRing(); });
all("[data-act=camera]").forEach((button) => { button.hidden = !navigator.mediaDevices?.getUserMedia; });
all("[data-act=paste]").forEach((button) => { button.hidden = !navigator.clipboard?.read; });

stage.addEventListener("pointerdown", (event) => {
  if (!picture || event.target.closest("button, .camera")) return;
  if (event.button > 1) return;
  event.preventDefault();
  stage.focus({ preventScroll: true });
  stage.setPointerCapture(event.pointerId);
  touches.set(event.pointerId, event);
  if (touches.size === 2) { abandon(); startPinch(); return; }
  if (touches.size > 2) return;
  if (event.button === 1) { pan = { x: event.clientX - view.x, y: event.clientY - view.y }; return; }
  if (tool === "wand") { point(at(event), !event.altKey); return; }
  begin(at(event), tool === "lasso");
});
stage.addEventListener("pointermove", (event) => {
  spot = at(event); showRing();
  if (touches.has(event.pointerId)) touches.set(event.pointerId, event);
  if (pinch) { movePinch(); return; }
  if (pan) { view = { ...view, x: event.clientX - pan.x, y: event.clientY - pan.y, fitted: false }; refresh(); return; }
  if (stroke) for (const each of event.getCoalescedEvents?.() || [event]) extend(at(each));
});
function lift(event) {
  touches.delete(event.pointerId);
  if (touches.size < 2) pinch = null;
  pan = null;
  if (event.type === "pointercancel") abandon(); else finish();
}
stage.addEventListener("pointerup", lift);
stage.addEventListener("pointercancel", lift);
stage.addEventListener("pointerleave", () => { if (!stroke) { spot = null; showRing(); } });
function abandon() {
  if (!stroke) return;
  const pen = brushOf(masks[stroke.kind]);
  pen.globalCompositeOperation = "source-over";
  pen.clearRect(0, 0, width, height);
  pen.drawImage(stroke.before, 0, 0);
  stroke = null; refresh();
}
function span() {
  const [a, b] = [...touches.values()], box = stage.getBoundingClientRect();
  return { apart: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), x: (a.clientX + b.clientX) / 2 - box.left, y: (a.clientY + b.clientY) / 2 - box.top };
}
function startPinch() { pinch = span(); }
function movePinch() {
  if (touches.size < 2) return;
  const now = span();
  view = { ...view, x: view.x + now.x - pinch.x, y: view.y + now.y - pinch.y, fitted: false };
  zoom(now.apart / pinch.apart, now.x, now.y);
  pinch = now;
}
stage.addEventListener("wheel", (event) => {
  if (!picture || (!event.ctrlKey && view.fitted)) return;
  event.preventDefault();
  if (!event.ctrlKey) { view = { ...view, x: view.x - event.deltaX, y: view.y - event.deltaY }; refresh(); return; }
  const box = stage.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const keys = {
  b: () => pick("brush"), l: () => pick("lasso"), e: () => pick("eraser"), s: () => pick("wand"), 1: () => choose("fill"), 2: () => choose("avoid"), 3: () => choose("guide"),
  "+": acts.in, "=": acts.in, "-": acts.out, 0: fit,
  "[": () => { slider.value = Math.max(1, slider.value - 4); showRing(); }, "]": () => { slider.value = +slider.value + 4; showRing(); },
};
stage.addEventListener("keydown", (event) => {
  if (!picture || event.target !== stage) return;
  if ((event.ctrlKey || event.metaKey) && "zy".includes(event.key.toLowerCase())) {
    event.preventDefault();
    (event.key.toLowerCase() === "y" || event.shiftKey ? acts.redo : acts.undo)();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (moves[event.key]) {
    event.preventDefault();
    const far = event.shiftKey ? 1 : Math.max(1, diameter() / 2), [x, y] = moves[event.key];
    spot ||= { x: width / 2, y: height / 2 };
    spot = { x: Math.min(width, Math.max(0, spot.x + x * far)), y: Math.min(height, Math.max(0, spot.y + y * far)) };
    if (stroke) extend(spot);
    showRing();
  } else if (event.key === " " || event.key === "Enter") {
    event.preventDefault();
    if (event.repeat) return;
    spot ||= { x: width / 2, y: height / 2 };
    if (tool === "wand") point(spot, true);
    else if (event.key === " ") { if (!stroke) begin(spot, false); } else { begin(spot, false); finish(); }
    showRing();
  } else if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});
stage.addEventListener("keyup", (event) => { if (event.key === " " && !touches.size) finish(); });
stage.addEventListener("blur", () => { if (!touches.size) finish(); });

const box = element.firstElementChild;
box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("over"); });
box.addEventListener("dragleave", () => box.classList.remove("over"));
box.addEventListener("drop", (event) => {
  event.preventDefault(); box.classList.remove("over");
  const file = [...(event.dataTransfer?.files || [])][0];
  if (file) openPhoto(file); else say("That was no file: save the picture first, then drop it here.");
});
document.addEventListener("paste", (event) => {
  if (!element.isConnected || !element.offsetParent || /^(INPUT|TEXTAREA)$/.test(event.target?.tagName || "")) return;
  const file = [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/"));
  if (file) { event.preventDefault(); openPhoto(new File([file], file.name || "pasted.png", { type: file.type })); }
});
new ResizeObserver(() => { if (view.fitted) fit(); else refresh(); }).observe(stage);

document.addEventListener("lens-backend", (event) => {
  guided = (props.guided || []).includes(event.detail);
  buttons(); refresh();
});
watch("value", () => {
  if (props.value?.stamp !== stamp) load(props.value).catch((error) => say("Sorry, " + error.message + "."));
  else { buttons(); refresh(); }
});
load(props.value).catch(() => {});
