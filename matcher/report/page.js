"use strict";
(() => {
const D = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const [ID, IMAGE, X, Y, SCORE, SURE, REASON, SECOND, ERROR, TRUE] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const judged = D.rows.filter((r) => r[ERROR] !== null);
const isRefused = (r) => r[IMAGE] < 0;
const named = (noun, id) => `${noun} ${id}` + (D.files[noun][id] ? ` (${D.files[noun][id]})` : "");
const nameOf = (id) => named("image", id);
const patchOf = (r) => named("patch", r[ID]);
const where = (r) => (isRefused(r) ? "in none of the images" : `${nameOf(r[IMAGE])}, x ${r[X]}, y ${r[Y]}`);
const told = D.rows.some((r) => r[SURE] !== null);
const isRight = (r) => r[ERROR] >= 0 && r[ERROR] <= D.near;
const make = (tag, set = {}, ...inside) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(set)) {
    if (key === "class") node.className = value; else node.setAttribute(key, value);
  }
  node.append(...inside);
  return node;
};
const NS = "http://www.w3.org/2000/svg";
const draw = (tag, set, text) => {
  const node = document.createElementNS(NS, tag);
  for (const [key, value] of Object.entries(set)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
const percent = (v) => (100 * v).toFixed(1) + " %";
const fixed = (v, n) => (v === null ? "–" : v.toFixed(n));

function tiles() {
  const sure = D.rows.filter((r) => r[SURE] >= 0.9).length;
  const list = [
    [D.rows.length.toLocaleString("en"), "patches"],
    [String(D.images.length), "images with answers"],
  ];
  if (told) list.push([percent(sure / D.rows.length), "with confidence ≥ 0.9"]);
  const refused = D.rows.filter(isRefused).length;
  if (refused) list.push([refused.toLocaleString("en"), "refused: in none of the images"]);
  if (D.score) {
    const total = D.score[0];
    const range = total.interval ? ` (${total.interval.map((v) => v.toFixed(3)).join(" to ")})` : "";
    list.unshift([total.value.toFixed(3), total.name + range]);
    if (judged.length) list.push([percent(judged.filter(isRight).length / judged.length), `right: within ${D.near} px`]);
  }
  for (const [value, name] of list) {
    $("tiles").append(make("div", {class: "tile"}, make("b", {}, value), make("span", {}, name)));
  }
  if (!D.score) return;
  for (const note of D.notes) $("metrics").append(make("p", {class: "soft"}, note));
  const table = make("table", {}, make("tr", {}, ...["metric", "value", "95 % interval"].map((t) => make("th", {}, t))));
  for (const m of D.score) {
    const range = m.interval ? m.interval.map((v) => v.toFixed(3)).join(" to ") : "";
    table.append(make("tr", {}, make("td", {}, m.name), make("td", {}, m.value.toFixed(3)), make("td", {}, range)));
  }
  $("metrics").append(make("details", {}, make("summary", {}, "All metrics"), make("div", {class: "scroll"}, table)));
}

// Where the axes of a chart lie in its box.
const BOX = {wide: 400, high: 230, left: 46, right: 390, top: 16, bottom: 176};

function chart(title, about, along, up) {
  const svg = draw("svg", {viewBox: `0 0 ${BOX.wide} ${BOX.high}`, role: "img", "aria-label": title + ". " + about});
  const middle = (BOX.top + BOX.bottom) / 2;
  svg.append(draw("path", {d: `M${BOX.left} ${BOX.top}V${BOX.bottom}H${BOX.right}`, stroke: "var(--line)", fill: "none"}),
    draw("text", {x: (BOX.left + BOX.right) / 2, y: BOX.high - 8, "text-anchor": "middle"}, along),
    draw("text", {x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})`}, up));
  $("plots").append(make("div", {class: "chart"}, make("h3", {}, title), svg));
  return svg;
}

// A count in at most four signs, so that it fits above its bar.
const short = (n) => (n < 10000 ? String(n) : n < 1e6 ? Math.round(n / 1000) + "k" : (n / 1e6).toFixed(1) + "M");

function bars(title, along, names, counts) {
  const about = names.map((name, k) => `${name}: ${counts[k]}`).join(", ");
  const svg = chart(title, about, along, "patches");
  const top = Math.max(...counts, 1), wide = (BOX.right - BOX.left) / counts.length, room = BOX.bottom - BOX.top - 16;
  counts.forEach((count, k) => {
    const high = (room * count) / top, left = BOX.left + k * wide, middle = left + wide / 2;
    const bar = draw("rect", {x: left + 2, y: BOX.bottom - high, width: wide - 4, height: high, fill: "var(--blue)"});
    bar.append(draw("title", {}, `${names[k]}: ${count}`));
    svg.append(bar);
    if (count) svg.append(draw("text", {x: middle, y: BOX.bottom - 4 - high, "text-anchor": "middle"}, short(count)));
    svg.append(draw("text", {x: middle, y: BOX.bottom + 15, "text-anchor": "middle"}, names[k]));
  });
}

// Wilson's 95 % interval of a share.
function interval(share, count) {
  const z = 1.96, square = (z * z) / count;
  const middle = (share + square / 2) / (1 + square);
  const half = (z / (1 + square)) * Math.sqrt((share * (1 - share)) / count + square / (4 * count));
  return [Math.max(middle - half, 0), Math.min(middle + half, 1)];
}

function reliability() {
  const bins = [];
  for (let k = 0; k < 10; k++) {
    const bin = judged.filter((r) => Math.min(Math.floor(r[SURE] * 10), 9) === k);
    if (!bin.length) continue;
    const right = bin.filter(isRight).length / bin.length;
    bins.push({count: bin.length, mean: bin.reduce((sum, r) => sum + r[SURE], 0) / bin.length, right,
      range: interval(right, bin.length)});
  }
  const say = (b) => `${b.count} patches of confidence ${b.mean.toFixed(2)}: ${b.right.toFixed(2)} right ` +
    `(${b.range.map((v) => v.toFixed(2)).join(" to ")})`;
  const svg = chart("Reliability", bins.map(say).join("; "), "confidence (mean of a bin)", "share right, 95 % interval");
  const px = (v) => BOX.left + 8 + (BOX.right - BOX.left - 40) * v, py = (v) => BOX.bottom - (BOX.bottom - BOX.top) * v;
  svg.append(draw("path", {d: `M${px(0)} ${py(0)}L${px(1)} ${py(1)}`, stroke: "var(--soft)", "stroke-dasharray": "4 4"}));
  for (const v of [0, 0.5, 1]) {
    svg.append(draw("text", {x: px(v), y: BOX.bottom + 15, "text-anchor": "middle"}, v),
      draw("text", {x: BOX.left - 6, y: py(v) + 4, "text-anchor": "end"}, v));
  }
  for (const b of bins) {
    const x = px(b.mean), group = draw("g", {});
    group.append(draw("title", {}, say(b)),
      draw("path", {d: `M${x} ${py(b.range[0])}V${py(b.range[1])}`, stroke: "var(--blue)", "stroke-width": 2}),
      draw("circle", {cx: x, cy: py(b.right), r: 4, fill: "var(--blue)"}),
      draw("text", {x: x + 7, y: py(b.right) + (b.right > 0.9 ? 12 : -5)}, short(b.count)));
    svg.append(group);
  }
}

function charts() {
  const edges = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
  if (told) bars("Confidence", "confidence, from", edges.map((v) => v.toFixed(1)), edges.map((_, k) =>
    D.rows.filter((r) => Math.min(Math.floor(r[SURE] * 10 + 1e-9), 9) === k).length));
  if (!judged.length) return;
  const steps = [0, 1, 2, 4, 8, 16, 64];
  const names = ["0", "≤1", "≤2", "≤4", "≤8", "≤16", "≤64", ">64", "wrong"];
  const counts = names.map(() => 0);
  for (const r of judged) {
    const k = r[ERROR] < 0 ? 8 : steps.findIndex((v) => r[ERROR] <= v);
    counts[k < 0 ? 7 : k]++;
  }
  bars("Error", "distance, px (wrong: in the wrong image)", names, counts);
  if (told) reliability();
}

const verdict = (r) => (r[ERROR] === null ? "" : isRight(r) ? "right" : r[ERROR] < 0 ? "wrong" : "off");
const said = (r) => (r[ERROR] === null ? "" : r[ERROR] < 0 ? "wrong image" : r[ERROR] + " px off");
const source = (data) => "data:image/webp;base64," + data;

function trio(entry) {
  const [n, patch, found, truth] = entry, id = D.rows[n][ID];
  const figure = (name, kind, ...list) => {
    const pic = make("div", {class: "pic " + kind}, ...list.map((data, k) =>
      make("img", {src: source(data), loading: "lazy", alt: k ? "" : `${name} of patch ${id}`})));
    return make("figure", {}, pic, make("figcaption", {}, name));
  };
  const list = [figure("patch", "", patch)];
  if (found) list.push(figure("found", "", found));
  if (truth) list.push(figure("true", "", truth));
  else if (found) list.push(figure("difference", "difference", patch, found));
  return make("div", {class: "trio"}, ...list);
}

let order = [], shown = 0;
const PAGE = 60;

function select() {
  const sort = $("sort").value, which = $("which").value, image = $("image").value.trim();
  order = D.gallery.filter(([n]) => {
    const r = D.rows[n];
    if (image !== "" && String(r[IMAGE]) !== image) return false;
    if (which === "wrong") return r[ERROR] !== null && !isRight(r);
    if (which === "right") return isRight(r);
    return which === "doubt" ? r[SURE] < 0.9 : true;
  });
  const far = (r) => (r[ERROR] === null ? -1 : r[ERROR] < 0 ? 1e9 : r[ERROR]);
  const keys = {sure: (r) => r[SURE], "-sure": (r) => -r[SURE], error: (r) => -far(r), id: (r) => r[ID]};
  order.sort((a, b) => keys[sort](D.rows[a[0]]) - keys[sort](D.rows[b[0]]) || D.rows[a[0]][ID] - D.rows[b[0]][ID]);
  shown = 0;
  $("cards").replaceChildren();
  more();
}

function more() {
  for (const entry of order.slice(shown, shown + PAGE)) {
    const r = D.rows[entry[0]];
    const card = make("div", {class: "card " + verdict(r), role: "listitem", tabindex: "0",
      "aria-label": `${patchOf(r)}: ${where(r)}, confidence ${fixed(r[SURE], 2)} ${said(r)}`});
    card.append(trio(entry),
      make("div", {class: "line"}, make("b", {}, patchOf(r)), make("span", {}, fixed(r[SURE], 3))),
      make("div", {class: "line soft"}, make("span", {}, where(r)),
        make("span", {}, said(r) || r[REASON])));
    card.entry = entry;
    $("cards").append(card);
  }
  shown = Math.min(shown + PAGE, order.length);
  $("count").textContent = `${shown} of ${order.length} shown` +
    (D.gallery.length < D.rows.length ? `, ${D.rows.length.toLocaleString("en")} in all` : "");
  $("more").hidden = shown >= order.length;
}

let opened = -1; // its place in the order

function open(entry) {
  opened = order.indexOf(entry);
  const r = D.rows[entry[0]];
  const facts = [["place", where(r)], ["score", fixed(r[SCORE], 1)],
    ["confidence", fixed(r[SURE], 4)], ["runner-up", r[SECOND] < 0 ? "none" : nameOf(r[SECOND])]];
  if (r[REASON]) facts.push(["reason", r[REASON]]);
  if (r[TRUE]) facts.push(["true place", `${nameOf(r[TRUE][0])}, x ${r[TRUE][1]}, y ${r[TRUE][2]}`]);
  if (r[ERROR] !== null) facts.push(["error", said(r)]);
  const list = make("dl", {});
  for (const [name, value] of facts) list.append(make("dt", {}, name), make("dd", {}, String(value)));
  $("one").replaceChildren(make("h2", {}, named("patch", r[ID]).replace("patch", "Patch")), trio(entry), list);
  // Not disabled in earnest: a button that has the focus would lose it, and the keys with it.
  $("before").setAttribute("aria-disabled", opened <= 0);
  $("after").setAttribute("aria-disabled", opened >= order.length - 1);
  if (!$("dialog").open) $("dialog").showModal();
}

// To the match before or after, in the dialog.
function turn(step) {
  const entry = order[opened + step];
  if (!entry) return;
  if (opened + step >= shown) more();
  open(entry);
}

// The focus goes to the match that was looked at last.
function closed() {
  const card = $("cards").children[opened];
  if (card) card.focus();
}

function steer(event) {
  const card = event.target.closest(".card");
  if (!card) return;
  const cards = [...$("cards").children], at = cards.indexOf(card);
  const first = cards[0].offsetTop;
  const columns = Math.max(cards.findIndex((c) => c.offsetTop > first), 1);
  const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns}[event.key];
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    open(card.entry);
  } else if (step) {
    event.preventDefault();
    if (at + step >= cards.length && shown < order.length) more();
    const next = $("cards").children[at + step];
    if (next) next.focus();
  }
}

function maps() {
  const level = (v) => (v === null ? "#4d8fd6" : v >= 0.9 ? "#39b77e" : v >= 0.5 ? "#e9a13b" : "#f2554a");
  const by = new Map(D.images.map((image) => [image.id, []]));
  for (const r of D.rows) if (!isRefused(r)) by.get(r[IMAGE]).push(r);
  const table = $("table");
  const heads = ["image", "answers"].concat(told ? ["sure"] : [], judged.length ? ["right"] : []);
  table.append(make("tr", {}, ...heads.map((t) => make("th", {scope: "col"}, t))));
  for (const image of D.images) {
    const [high, wide] = image.size, rows = by.get(image.id);
    if (image.picture) {
      const svg = draw("svg", {viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": `image ${image.id}, ${rows.length} answers`});
      svg.append(draw("image", {href: source(image.picture), width: wide, height: high, preserveAspectRatio: "none"}));
      for (const r of rows) {
        const box = draw("rect", {x: r[X], y: r[Y], width: image.side[1], height: image.side[0], fill: "none",
          stroke: level(r[SURE]), "stroke-width": Math.max(wide / 170, 1)});
        box.append(draw("title", {}, `${patchOf(r)}, ${fixed(r[SURE], 2)}`));
        svg.append(box);
      }
      $("maps").append(make("div", {class: "map"}, svg, make("div", {class: "line"},
        make("b", {}, nameOf(image.id)), make("span", {}, `${rows.length} answers`))));
    }
    const cells = [nameOf(image.id), rows.length];
    if (told) cells.push(rows.filter((r) => r[SURE] >= 0.9).length);
    if (judged.length) cells.push(rows.filter(isRight).length);
    table.append(make("tr", {}, ...cells.map((v) => make("td", {}, String(v)))));
  }
}

for (const [name, text] of D.about) $("facts").append(make("dt", {}, name), make("dd", {}, text));
if (!told) {
  for (const value of ["sure", "-sure"]) document.querySelector(`#sort option[value="${value}"]`).remove();
  document.querySelector("#which option[value=doubt]").remove();
}
if (!judged.length) {
  for (const value of ["wrong", "right"]) document.querySelector(`#which option[value=${value}]`).remove();
  document.querySelector("#sort option[value=error]").remove();
}
tiles();
charts();
maps();
select();
for (const id of ["sort", "which"]) $(id).addEventListener("change", select);
$("image").addEventListener("input", select);
$("bar").addEventListener("submit", (event) => event.preventDefault());
$("more").addEventListener("click", more);
$("cards").addEventListener("keydown", steer);
$("cards").addEventListener("click", (event) => { const card = event.target.closest(".card"); if (card) open(card.entry); });
$("close").addEventListener("click", () => $("dialog").close());
$("before").addEventListener("click", () => turn(-1));
$("after").addEventListener("click", () => turn(1));
$("dialog").addEventListener("close", closed);
$("dialog").addEventListener("keydown", (event) => {
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  if (step) {
    event.preventDefault();
    turn(step);
  }
});
document.documentElement.dataset.ready = String(D.rows.length);
})();
