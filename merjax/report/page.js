"use strict";
// charts: drawn when they come into view, at the width that they have; the static picture stays for print
const dark = matchMedia("(prefers-color-scheme: dark)");
const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
const looks = () => dark.matches ? { axis: { labelColor: ink(), titleColor: ink(), gridColor: "#3c4043", domainColor: "#8a8a8a",
  tickColor: "#8a8a8a" }, legend: { labelColor: ink(), titleColor: ink() }, view: { stroke: null } } : {};
// marks that are black on white paper are drawn in the ink of the page
const inked = text => dark.matches ? text.replaceAll('"color":"black"', `"color":"${ink()}"`) : text;

// on a narrow screen the names of rows and the titles below are broken into lines, since cut ones would look alike
const broken = (text, most) => text.split(" ").flatMap(word => word.match(new RegExp(`.{1,${most}}`, "g")) ?? []).reduce(
  (lines, word) => lines.length && `${lines.at(-1)} ${word}`.length <= most ? [...lines.slice(0, -1), `${lines.at(-1)} ${word}`] : [...lines, word], []);
function breakNames(spec) {
  const most = Math.floor(spec.width / 19);
  for (const part of spec.layer ?? [spec]) {
    const x = part.encoding?.x;
    if (typeof x?.title === "string") x.title = broken(x.title, Math.floor(spec.width / 11));
    const y = part.encoding?.y, rows = spec.datasets?.[part.data?.name ?? spec.data?.name] ?? [];
    if (y?.type !== "nominal") continue;
    const lines = Object.fromEntries(rows.map(row => [row[y.field], broken(String(row[y.field]), most)]));
    y.axis = { ...y.axis, labelExpr: `(${JSON.stringify(lines)})[datum.label]`, labelLimit: 0 };
    const tall = Math.max(1, ...Object.values(lines).map(own => own.length));
    spec.height = Math.max(spec.height, 80 + Object.keys(lines).length * (13 * tall + 5));
  }
}

async function draw(figure) {
  const spec = JSON.parse(inked(JSON.stringify(JSON.parse(figure.querySelector("script").textContent))));
  let place = figure.querySelector(".live");
  if (!place) {
    place = document.createElement("div");
    place.className = "live";
    figure.prepend(place);
  }
  spec.width = Math.min(figure.clientWidth || spec.width, 640);
  if (spec.width < 420) breakNames(spec);
  try {
    const made = await vegaEmbed(place, spec, { actions: false, renderer: "svg", config: looks(), tooltip: { theme: dark.matches ? "dark" : "light" } });
    const svg = place.querySelector("svg");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", figure.querySelector("img").alt);
    for (const inner of [place, ...svg.querySelectorAll("[role], [aria-label], [aria-roledescription]")])
      for (const name of ["role", "aria-label", "aria-roledescription", "aria-hidden"]) inner.removeAttribute(name);
    figure.classList.add("drawn");
    return made;
  } catch (error) {
    place.remove();  // the static picture stays
    console.warn(error);
  }
}
const charts = [...document.querySelectorAll("figure.chart")];
if (window.vegaEmbed) {
  const watch = new IntersectionObserver(seen => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) { watch.unobserve(target); draw(target); }
  }, { rootMargin: "300px" });
  charts.forEach(figure => watch.observe(figure));
  const again = () => document.querySelectorAll("figure.drawn").forEach(draw);
  dark.addEventListener("change", again);
  let width = innerWidth, timer;
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { if (innerWidth !== width) { width = innerWidth; again(); } }, 200);
  });
}

// the table of all trials: sort, filter, choose columns, copy
for (const work of document.querySelectorAll(".trials")) {
  const table = work.querySelector("table"), body = table.tBodies[0], rows = [...body.rows], caption = table.caption;
  const heads = [...table.tHead.rows[0].cells], kinds = heads.map(h => h.dataset.kind), names = heads.map(h => h.textContent);
  const first = caption.textContent, count = work.querySelector(".count"), hidden = new Set();
  work.querySelector(".tools").hidden = false;
  let order = null;
  const value = (row, i) => row.cells[i].dataset.v;
  const compare = i => (a, b) => {
    const [x, y] = [value(a, i), value(b, i)], [p, q] = [Number(x), Number(y)];
    if (kinds[i] !== "text" && x !== "nan" && y !== "nan" && !Number.isNaN(p) && !Number.isNaN(q)) return p - q;
    return (x === "nan") - (y === "nan") || x.localeCompare(y, undefined, { numeric: true });
  };
  const say = shown => {
    count.textContent = `${shown} of ${rows.length} trials`;
    if (!order) caption.textContent = first;
    else caption.textContent = `Trials on ${caption.dataset.part}, sorted by ${names[order.at]}` + (kinds[order.at] === "score"
      ? " on the tested subjects: the first is first in part by luck, so its score is too high for other people" : "");
  };
  const matches = (row, term) => {
    const found = /^([^=<>]+)(=|<=|>=|<|>)(.*)$/.exec(term);
    if (!found) return row.textContent.toLowerCase().includes(term.toLowerCase()) || row.cells[0].dataset.v.toLowerCase().includes(term.toLowerCase());
    const [, key, sign, asked] = found, i = names.findIndex(n => n.toLowerCase() === key.trim().toLowerCase());
    if (i < 0) return row.textContent.toLowerCase().includes(term.toLowerCase());
    const own = value(row, i), [p, q] = [Number(own), Number(asked)], numbers = asked.trim() !== "" && !Number.isNaN(p) && !Number.isNaN(q);
    if (sign === "=") return numbers ? Math.abs(p - q) <= 1e-9 * Math.abs(q) || row.cells[i].textContent === asked : own.toLowerCase().includes(asked.toLowerCase());
    return numbers && { "<": p < q, ">": p > q, "<=": p <= q, ">=": p >= q }[sign];
  };
  const search = work.querySelector("input");
  const filter = () => {
    const terms = search.value.split(/[\s,]+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) { row.hidden = !terms.every(t => matches(row, t)); shown += !row.hidden; }
    say(shown);
  };
  search.addEventListener("input", filter);
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = names[i];
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = order?.at === i ? !order.down : kinds[i] === "score";
      order = { at: i, down };
      heads.forEach(h => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...[...rows].sort((a, b) => (down ? -1 : 1) * compare(i)(a, b)));
      filter();
    });
    if (!i) return;
    const label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    label.append(box, ` ${names[i]}`);
    work.querySelector(".columns").append(label);
    box.addEventListener("change", () => {
      box.checked ? hidden.delete(i) : hidden.add(i);
      for (const row of table.rows) row.cells[i].hidden = hidden.has(i);
    });
  });
  const taken = text => [...body.rows].filter(r => !r.hidden).map(r => [...r.cells].filter((_, i) => !hidden.has(i)).map(text));
  const columns = () => names.filter((_, i) => !hidden.has(i));
  const csv = () => [columns(), ...taken(c => c.dataset.v)].map(line => line.map(
    c => /[",\n]/.test(c) ? `"${c.replaceAll('"', '""')}"` : c).join(",")).join("\n") + "\n";
  const escaped = text => text.replace(/[\\{}$&#_%~^]/g, c => ({ "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" })[c] ?? `\\${c}`)
    .replaceAll("−", "$-$").replaceAll("–", "--").replaceAll("…", "\\ldots{}");
  const latex = () => [`% ${caption.textContent}`, `\\begin{tabular}{l${"r".repeat(columns().length - 1)}}`, "\\toprule",
    ...[columns(), ...taken(c => c.textContent)].map((line, n) => line.map(escaped).join(" & ") + " \\\\" + (n ? "" : "\n\\midrule")),
    "\\bottomrule", "\\end{tabular}", ""].join("\n");
  for (const button of work.querySelectorAll("[data-copy]")) button.addEventListener("click", async () => {
    const text = button.dataset.copy === "csv" ? csv() : latex();
    work.dataset.copied = text;
    try { await navigator.clipboard.writeText(text); count.textContent = "copied"; }
    catch {  // pages opened from a disk may not write to the clipboard
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      count.textContent = document.execCommand("copy") ? "copied" : "could not copy";
      area.remove();
    }
  });
  say(rows.length);
}

// sections of single trials, drawn when they are opened
const make = (tag, text, attributes = {}) => Object.assign(document.createElement(tag), text === null ? {} : { textContent: text }, attributes);
const grid = (title, heads, lines) => {
  const holder = make("div", null, { className: "table", tabIndex: 0, role: "region", ariaLabel: title }), table = make("table", null);
  table.append(make("caption", title));
  const row = table.createTHead().insertRow();
  heads.forEach(h => row.append(make("th", h, { scope: "col" })));
  const rest = table.createTBody();
  for (const line of lines) {
    const own = rest.insertRow();
    line.forEach((cell, i) => own.append(make(i ? "td" : "th", String(cell), i ? {} : { scope: "row" })));
  }
  holder.append(table);
  return holder;
};
const filled = (place, trial) => {
  trial.warnings.forEach(w => place.append(make("p", w, { className: "warn" })));
  for (const [part, counts] of trial.parts) place.append(grid(`Clips on ${part}: true class by predicted class`, ["true", ...trial.classes],
    counts.map((line, k) => [trial.classes[k], ...line.map(n => `${n} (${Math.round(100 * n / Math.max(1, line.reduce((a, b) => a + b)))} %)`)])));
  place.append(grid("Per subject", ["subject", "clips", "right", "accuracy"], trial.subjects.map(
    ([name, clips, right]) => [name, clips, Math.round(1000 * right) / 1000, (right / clips).toFixed(3)])));
  place.append(make("p", trial.mistakes.length ? "Most confident mistakes" : "No mistake is listed."));
  const list = make("ul", null);
  trial.mistakes.forEach(m => list.append(make("li", m)));
  if (trial.mistakes.length) place.append(list);
};
document.querySelectorAll(".others").forEach(place => {
  for (const trial of JSON.parse(place.parentElement.querySelector(".others-data").textContent)) {
    const details = make("details", null);
    details.append(make("summary", trial.label));
    details.addEventListener("toggle", () => { if (details.childElementCount < 2) filled(details, trial); });
    place.append(details);
  }
});
document.querySelectorAll(".scripted").forEach(part => { part.hidden = false; });
// a contents link into a folded part opens it
const unfold = () => { for (let at = document.getElementById(location.hash.slice(1)); at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true; };
addEventListener("hashchange", unfold);
unfold();
