"use strict";
const $ = (query, of = document) => of.querySelector(query);
const $$ = (query, of = document) => [...of.querySelectorAll(query)];
const make = (name, attributes = {}, ...children) => {
  const svg = ["svg", "path", "circle", "text", "title"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const bytes = (id) => Uint8Array.from(atob($(id).textContent), (sign) => sign.charCodeAt(0));
const data = (async () => {
  const packed = new Blob([bytes("#data")]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(packed).json();
})();

/* sorting: within the parts of a table, or all rows together */
const value = (row, column, words) => {
  const text = row.cells[column].textContent.trim();
  if (words) return text || null;
  const found = text.match(/[-+]?\d[\d,]*(\.\d+)?/);
  return found ? Number(found[0].replaceAll(",", "")) : null;
};
const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
function arrange(table) {
  fold(table);
  const head = $("[aria-sort=ascending],[aria-sort=descending]", table);
  const together = $("#filters").elements.together.checked;
  const sign = head && head.ariaSort === "descending" ? -1 : 1;
  const bodies = [...table.tBodies];
  bodies.forEach((body, number) => $$("tr[data-i]", body).forEach((row) => (row.home ??= number)));
  const rows = $$("tr[data-i]", table);
  const keyed = rows.map((row, n) => [row, head ? value(row, head.cellIndex, $("button", head).dataset.words) : Number(row.dataset.i), row.home, n]);
  keyed.sort((a, b) => {
    if (a[1] === null || b[1] === null) return (a[1] === null) - (b[1] === null) || a[2] - b[2] || a[3] - b[3];
    return sign * compare(a[1], b[1]) || a[2] - b[2] || a[3] - b[3];
  });
  const parts = bodies.map(() => document.createDocumentFragment());
  for (const [row, , home] of keyed) {
    row.classList.toggle(bodies[home].className, together);
    parts[together ? 0 : home].append(row);
  }
  bodies.forEach((body, number) => body.append(parts[number]));
}
function sort(event) {
  const head = event.target.closest("th");
  const falling = !event.target.dataset.rising;
  const next = head.ariaSort === "none" ? (falling ? "descending" : "ascending") : head.ariaSort === "ascending" ? "descending" : "ascending";
  $$("th", head.parentNode).forEach((other) => other.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", next);
  arrange(head.closest("table"));
}

/* filters */
function filter() {
  const form = $("#filters").elements;
  const text = form.text.value.toLowerCase();
  let shown = 0, all = 0;
  for (const section of $$("section.table")) {
    const here = (!form.dataset.value || form.dataset.value === section.dataset.dataset) && (!form.protocol.value || form.protocol.value === section.dataset.protocol);
    let count = 0;
    for (const row of $$("tr[data-i]", section)) {
      const masks = row.dataset.m ?? "0";
      const keep = here
        && (!form.pretraining.value || form.pretraining.value === (row.dataset.p ?? "0"))
        && (!form.masks.value || (masks !== "" && (form.masks.value === "none") === (masks === "0")))
        && (!form.ranked.checked || "r" in row.dataset)
        && (!text || row.cells[0].textContent.toLowerCase().includes(text));
      row.hidden = !keep;
      if (row.more) row.more.hidden = !keep;
      count += keep;
      all += 1;
    }
    for (const body of $$("tbody", section)) {
      const head = $("tr.part", body);
      if (head) head.hidden = form.together.checked || !$("tr[data-i]:not([hidden])", body);
    }
    section.hidden = !count;
    shown += count;
  }
  $("#count").textContent = shown === all ? `${all} rows` : `${shown} of ${all} rows`;
  $("#nothing").hidden = shown > 0;
}

/* what a row unfolds into */
function fold(table) {
  for (const row of $$("tr.more", table)) {
    row.owner.more = null;
    $("button", row.owner).setAttribute("aria-expanded", "false");
    row.remove();
  }
}
async function unfold(button) {
  const row = button.closest("tr");
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  if (open) {
    row.more.remove();
    row.more = null;
    return;
  }
  const cell = make("td", { colspan: row.cells.length });
  row.more = make("tr", { class: "more" }, cell);
  row.more.owner = row;
  row.after(row.more);
  const all = await data;
  const known = all.tables[Number(row.closest("section").id.slice(1))].rows[Number(row.dataset.i)];
  cell.append(cards(known, all));
}
const card = (title, ...children) => make("div", {}, make("h3", {}, title), ...children);
function cards(known, all) {
  const box = make("div", { class: "cards" });
  for (const [kind, texts] of known.groups) {
    const [title, labels] = all.kinds[kind], list = make("dl");
    texts.forEach((text, n) => list.append(make("dt", {}, labels[n]), make("dd", {}, text)));
    box.append(card(title, list));
  }
  if (known.strata && known.strata.length) {
    const rows = known.strata.map(([by, name, images, dice]) => make("tr", {}, make("td", {}, `${by}: ${name}`), make("td", {}, `${images} images`), make("td", {}, dice.toFixed(1))));
    box.append(card("strata of the test images, Dice in %", make("table", {}, make("tbody", {}, ...rows))));
  }
  if (known.curve) {
    const { x, y, marks, otsu } = known.curve;
    const words = marks.map(([name, at, dice]) => `${name} T ${at.toFixed(3)}: ${dice.toFixed(2)}`).concat(otsu === null ? [] : [`otsu (dashed): ${otsu.toFixed(2)}`]);
    box.append(card("Dice of the maps in % against T", chart("Dice against the threshold", [[x, y]], [0, 1], marks, otsu), make("p", { class: "why" }, `${words.join(" · ")}. From the stored counts of each test image.`)));
  }
  if (all.left_out) box.append(card("learning curves", make("p", { class: "why" }, all.left_out)));
  for (const { title, lines } of known.history || []) box.append(card(`learning curve, ${title}`, chart(title, lines)));
  if (known.notes.length) {
    const list = make("ul", {}, ...known.notes.map((note) => make("li", {}, note)));
    const notes = card("notes", list);
    notes.className = "wide";
    box.append(notes);
  }
  return box;
}
function chart(title, lines, [left, right] = [Infinity, -Infinity], marks = [], dashed = null) {
  const ys = lines.flatMap(([, y]) => y).concat(marks.map((mark) => mark[2]), dashed === null ? [] : [dashed]);
  for (const [x] of lines) for (const one of x) [left, right] = [Math.min(left, one), Math.max(right, one)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const X = (v) => 46 + 262 * (right > left ? (v - left) / (right - left) : 0.5);
  const Y = (v) => 122 - 108 * (high > low ? (v - low) / (high - low) : 0.5);
  const svg = make("svg", { viewBox: "0 0 320 146", role: "img", "font-size": 11, "aria-label": `${title}, from ${tick(low)} to ${tick(high)}` });
  const write = (x, y, anchor, text) => svg.append(make("text", { class: "f faint", x, y, "text-anchor": anchor }, text));
  svg.append(make("path", { class: "l grid", d: "M46 14V122H308" }));
  write(40, 18, "end", tick(high));
  write(40, 125, "end", tick(low));
  write(46, 139, "start", tick(left));
  write(308, 139, "end", tick(right));
  if (dashed !== null) svg.append(make("path", { class: "l s0", "stroke-dasharray": "4 3", d: `M46 ${Y(dashed).toFixed(1)}H308` }));
  lines.forEach(([x, y], n) => {
    const way = x.map((one, i) => `${X(one).toFixed(1)} ${Y(y[i]).toFixed(1)}`);
    svg.append(make("path", { class: `l s${n % 10}`, "stroke-width": 1.6, d: "M" + way.join("L") }));
    if (x.length === 1) svg.append(make("circle", { class: "f s0", cx: X(x[0]), cy: Y(y[0]), r: 3 }));
  });
  for (const [name, at, dice] of marks) {
    const x = X(at), y = Y(dice);
    if (name === "oracle") svg.append(make("path", { class: "l s1", "stroke-width": 1.6, d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8` }, make("title", {}, `oracle, T ${at}`)));
    else svg.append(make("circle", { class: `${name === "fixed" ? "f" : "l"} s1`, cx: x, cy: y, r: 4 }, make("title", {}, `${name}, T ${at}`)));
  }
  return svg;
}
const tick = (v) => (v === 0 ? "0" : String(Number(v.toPrecision(3))));

/* figures */
async function figures(details) {
  const box = $("div", details);
  if (box.childElementCount) return;
  const found = (await data).tables[Number(details.closest("section").id.slice(1))].figures;
  if (box.childElementCount) return;
  for (const [, text] of found) box.append(document.adoptNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement));
  if (!found.length) box.append(make("p", { class: "why" }, "None here; bench leaderboard figure NAME -o FILE draws those that these rows have."));
}

/* gallery */
const SIDE = 128;
const pixels = {};
async function strip(number) {
  return (pixels[number] ??= (async () => {
    const image = new Image();
    image.src = JSON.parse(atob($("#strips").textContent))[number];
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return context;
  })());
}
async function gallery(details) {
  const box = $("div", details);
  if (box.childElementCount || box.busy) return;
  box.busy = true;
  const section = details.closest("section");
  const { gallery: known, why } = (await data).tables[Number(section.id.slice(1))];
  if (!known) return box.append(make("p", { class: "why" }, why));
  const state = controls(box, known);
  const parts = new Set([known.image, known.truth, ...known.rows.flatMap((row) => [row.init, row.unet])].filter((one) => one !== undefined));
  const strips = Object.fromEntries(await Promise.all([...parts].map(async (one) => [one, await strip(one)])));
  const draw = () => show(box, known, strips, state());
  box.addEventListener("input", draw);
  draw();
}
function controls(box, known) {
  const names = known.rows.map((row, n) => make("option", { value: n }, row.name));
  const select = (name, ...options) => make("select", { name }, ...options);
  const first = select("first", ...names);
  const second = select("second", make("option", { value: "" }, "none"), ...names.map((one) => one.cloneNode(true)));
  const order = select("order", ...[["low", "Dice, worst first"], ["high", "Dice, best first"], ["ahead", "first minus second, largest first"], ["behind", "first minus second, smallest first"]].map(([value, text]) => make("option", { value }, text)));
  const layout = select("layout", make("option", { value: "pair" }, "image, truth, map, proxy, U-Net"), make("option", { value: "paper" }, "maps above U-Nets, all methods (Fig. 2)"));
  const slider = make("input", { type: "range", name: "level", min: 1, max: 255, value: 128, "aria-label": "Threshold T of the proxies" });
  const own = make("input", { type: "checkbox", name: "own" });
  own.checked = true;
  const stretch = make("input", { type: "checkbox", name: "stretch" });
  const shown = make("output");
  const label = (text, control, ...more) => make("label", {}, text, control, ...more);
  const check = make("label", { class: "check" }, own, "each row's own rule");
  box.append(make("form", { class: "controls" }, label("First", first), label("Second", second), label("Order", order), label("Layout", layout), label("Threshold of the proxies", slider), shown, check, make("label", { class: "check" }, stretch, "stretch maps to be seen")), make("div", { class: "pictures", tabindex: 0, role: "region", "aria-label": "Pictures" }));
  $("form", box).addEventListener("submit", (event) => event.preventDefault());
  slider.addEventListener("input", () => (own.checked = false));
  if (known.left_out) box.append(make("p", { class: "why" }, `${known.left_out} more rows have maps; the first ${known.rows.length} are here.`));
  return () => {
    shown.textContent = own.checked ? "T of each row's rule" : `T = ${slider.value}/256 = ${(slider.value / 256).toFixed(3)}`;
    slider.setAttribute("aria-valuetext", (slider.value / 256).toFixed(3));
    return { first: Number(first.value), second: second.value === "" ? null : Number(second.value), order: order.value, layout: layout.value, level: own.checked ? null : Number(slider.value), look: stretch.checked ? stretched : null };
  };
}
const last = (row, n) => (row.unet_dice || row.init_dice)[n];
function ordered(known, { first, second, order }) {
  const [a, b] = [known.rows[first], second === null ? null : known.rows[second]];
  const key = (n) => (order === "ahead" || order === "behind" ? (b ? last(a, n) - last(b, n) : last(a, n)) : last(a, n));
  const sign = order === "low" || order === "behind" ? 1 : -1;
  return known.tiles.map((_, n) => n).sort((m, n) => sign * (key(m) - key(n)) || m - n);
}
function tile(strips, known, n, number, paint) {
  const [, w, h] = known.tiles[n];
  const canvas = make("canvas", { width: w, height: h });
  const source = strips[number].getImageData(0, SIDE * n, w, h);
  if (paint) paint(source.data);
  canvas.getContext("2d").putImageData(source, 0, 0);
  return canvas;
}
const stretched = (pixels) => {
  let low = 255, high = 0;
  for (let i = 0; i < pixels.length; i += 4) [low, high] = [Math.min(low, pixels[i]), Math.max(high, pixels[i])];
  for (let i = 0; i < pixels.length; i += 4) pixels[i] = pixels[i + 1] = pixels[i + 2] = high > low ? (255 * (pixels[i] - low)) / (high - low) : 0;
};
const cut = (level) => (pixels) => {
  for (let i = 0; i < pixels.length; i += 4) pixels[i] = pixels[i + 1] = pixels[i + 2] = pixels[i] >= level ? 255 : 0;
};
function overlap(strips, known, n, number, level) {
  const [, w, h] = known.tiles[n];
  const map = strips[number].getImageData(0, SIDE * n, w, h).data;
  const truth = strips[known.truth].getImageData(0, SIDE * n, w, h).data;
  let both = 0, either = 0;
  for (let i = 0; i < map.length; i += 4) {
    const a = map[i] >= level, b = truth[i] > 127;
    both += a && b;
    either += a + b;
  }
  return either ? (200 * both) / either : 0;
}
const percent = (dice) => (dice === null || dice === undefined ? "" : `Dice ${dice.toFixed(1)}`);
const named = (canvas, words) => {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  return canvas;
};
const figure = (canvas, words, label) => make("td", {}, named(canvas, label), make("span", {}, words));
function stages(strips, known, n, row, { level, look }) {
  const id = known.tiles[n][0], cells = [];
  if (row.init !== undefined) {
    const at = level ?? row.init_cut[n];
    const counted = known.undrawn.includes(n) ? "" : `, ≈ ${overlap(strips, known, n, row.init, at).toFixed(1)}`;
    const dice = level === null ? percent(row.init_dice[n]) : `T ${(at / 256).toFixed(3)}${counted}`;
    cells.push(figure(tile(strips, known, n, row.init, look), "", `map of ${row.name}, ${id}`));
    cells.push(figure(tile(strips, known, n, row.init, cut(at)), dice, `proxy of ${row.name}, ${id}, ${dice}`));
  }
  if (row.unet !== undefined) cells.push(figure(tile(strips, known, n, row.unet, cut(row.unet_cut[n])), percent(row.unet_dice[n]), `U-Net of ${row.name}, ${id}`));
  return cells;
}
const parts = (row) => [...(row.init === undefined ? [] : ["map", "proxy"]), ...(row.unet === undefined ? [] : ["U-Net"])].map((what) => `${what}, ${row.name}`);
function show(box, known, strips, state) {
  const rows = [known.rows[state.first], ...(state.second === null ? [] : [known.rows[state.second]])];
  const body = make("tbody"), head = make("tr");
  const titles = state.layout === "paper" ? ["image, truth", ...known.rows.map((row) => row.name)] : ["image", "truth", ...rows.flatMap(parts)];
  head.append(...titles.map((title) => make("th", { scope: "col", title }, title)));
  for (const n of ordered(known, state)) {
    const id = known.tiles[n][0];
    const image = figure(tile(strips, known, n, known.image), id, `image ${id}`);
    const truth = known.undrawn.includes(n)
      ? make("td", {}, make("span", {}, "truth: not drawn"))
      : figure(tile(strips, known, n, known.truth), state.layout === "paper" ? "truth" : "", `truth of ${id}`);
    if (state.layout === "paper") {
      const above = known.rows.map((row) => (row.init === undefined ? make("td") : figure(tile(strips, known, n, row.init, state.look), "", `map of ${row.name}, ${id}`)));
      const below = known.rows.map((row) => stages(strips, known, n, row, state).at(-1));
      body.append(make("tr", {}, image, ...above), make("tr", { class: "second" }, truth, ...below));
    } else body.append(make("tr", { "data-id": id }, image, truth, ...rows.flatMap((row) => stages(strips, known, n, row, state))));
  }
  $(".pictures", box).replaceChildren(make("table", {}, make("thead", {}, head), body));
}

for (const name of $$("tr[data-i] th b")) {
  const button = make("button", { "aria-expanded": "false" }, name.textContent);
  name.replaceWith(button);
}
$$("td>svg").forEach((svg) => svg.setAttribute("aria-hidden", "true"));
$$("thead button").forEach((button) => button.addEventListener("click", sort));
$("#tables").addEventListener("click", (event) => {
  const button = event.target.closest("tbody th button[aria-expanded]");
  if (button) unfold(button);
});
$("#filters").addEventListener("input", (event) => {
  if (event.target.name === "together") $$(".scroll table").forEach(arrange);
  filter();
});
$("#filters").addEventListener("submit", (event) => event.preventDefault());
for (const [name, fill] of [["figures", figures], ["gallery", gallery]]) {
  for (const details of $$(`details.${name}`)) {
    details.addEventListener("toggle", () => details.open && fill(details));
    if (details.open) fill(details);
  }
}
filter();
