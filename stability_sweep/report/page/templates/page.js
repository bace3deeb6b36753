"use strict";
const unpack = async (id) => {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};
const root = document.documentElement;
const element = (tag, text, properties = {}) => Object.assign(document.createElement(tag), { textContent: text ?? "", ...properties });
const pause = () => new Promise((done) => setTimeout(done));

// -- figures ---------------------------------------------------------------------------------------------------------

const darkColors = new Map(Object.entries(JSON.parse(document.getElementById("dark-colors").textContent)));
const UNCOLORED = new Set(["x", "y", "z", "text", "customdata", "meta"]);  // long, and without a color

function darkened(value) {
  if (typeof value === "string") return darkColors.get(value) ?? value;
  if (Array.isArray(value)) return value.map(darkened);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, UNCOLORED.has(key) ? part : darkened(part)]));
}

const figureConfig = {
  responsive: true, displaylogo: false, plotlyServerURL: "",
  modeBarButtonsToRemove: ["sendChartToCloud", "lasso2d", "select2d"],
};

async function drawFigures() {
  const library = document.createElement("script");
  library.textContent = await unpack("plotly-gzip");
  document.head.append(library);
  for (const panel of document.querySelectorAll("figure.drawn")) {
    const plot = panel.querySelector(".plot");
    const figure = JSON.parse(panel.querySelector("script.figure").textContent);
    figure.layout.uirevision = "kept";  // what the reader zoomed and hid stays when colors or slices change
    const shown = figure.layout.meta?.marks ? connectMap(panel, plot, figure) : null;
    plot.redraw = () => draw(plot, figure, shown);
    await plot.redraw();
    if (shown) connectLegend(plot, shown.hidden);
    root.dataset.first ??= String(performance.now());
    await pause();  // the reader may scroll before the last figure is drawn
  }
  root.dataset.drawn = "yes";
}

function draw(plot, figure, shown) {
  const layout = structuredClone(figure.layout);  // Plotly writes into it
  const data = figure.data.map((trace) => shown ? traceShown(trace, figure.layout.meta, shown) : { ...trace });
  const colored = root.dataset.theme === "dark" ? darkened({ data, layout }) : { data, layout };
  return Plotly.react(plot, colored.data, colored.layout, figureConfig);
}

// A map's trace as it is in a mode, on a slice, with what the legend hides.
function traceShown(trace, { marks, places }, { mode, slice, hidden }) {
  const meta = trace.meta ?? {};
  const isSeen = (!meta.mode || meta.mode === mode) && (meta.slice ?? slice) === slice;
  const isEntry = trace.showlegend !== false;
  const visible = isSeen && (!hidden.has(meta.key) || (isEntry && "legendonly"));
  if (!isSeen) return { ...trace, visible };
  if (trace.type === "heatmap" && mode === "model") {
    const text = places.y.map((row) => places.x.map((column) => `${column}, ${row}`));
    return { ...trace, visible, text, hovertemplate: `%{text}<br>${trace.hovertemplate}` };
  }
  if (!meta.trials) return { ...trace, visible };
  const full = meta.first.map((first, place) => mode === "counts" || (first <= slice && slice <= meta.last[place]));
  const look = (name) => full.map((isFull) => marks[name][Number(isFull)]);
  const line = { ...trace.marker.line, width: look("outline") };
  const x = meta.pale ? trace.x : trace.x.map((value, place) => full[place] ? value : null);
  return { ...trace, visible, x, marker: { ...trace.marker, line, size: look("size"), opacity: look("opacity") } };
}

// What the controls of a map say, kept up to date; they draw the map anew.
function connectMap(panel, plot, figure) {
  const modes = [...panel.querySelectorAll("input[type=radio]")];
  const slider = panel.querySelector("input[type=range]");
  const caption = panel.querySelector("figcaption");
  const labels = JSON.parse(slider?.dataset.labels ?? "[]");
  const captions = JSON.parse(slider?.dataset.captions ?? "[]");
  const own = caption.textContent, onlyMode = figure.layout.meta.places.x ? "model" : "counts";
  const shown = { mode: onlyMode, slice: 0, hidden: new Set() };
  const read = () => {
    shown.mode = modes.find((radio) => radio.checked)?.value ?? onlyMode;
    shown.slice = Number(slider?.value ?? 0);
    const isCounts = shown.mode === "counts";
    caption.textContent = (isCounts && caption.dataset.counts) || (captions[shown.slice] ?? own);
    plot.setAttribute("aria-label", `${panel.querySelector("h3").textContent}. ${caption.textContent}`);
    if (!slider) return;
    slider.disabled = isCounts;
    slider.nextElementSibling.textContent = isCounts ? "all" : labels[shown.slice];
    slider.setAttribute("aria-valuetext", labels[shown.slice]);
  };
  for (const control of [...modes, slider]) control?.addEventListener("input", () => { read(); plot.redraw(); });
  read();
  return shown;
}

// An entry hides what has its key on every slice, until it is clicked again; a double click shows all.
function connectLegend(plot, hidden) {
  plot.on("plotly_legendclick", ({ data, curveNumber }) => {
    const { key } = data[curveNumber].meta;
    if (!hidden.delete(key)) hidden.add(key);
    plot.redraw();
    return false;
  });
  plot.on("plotly_legenddoubleclick", () => {
    hidden.clear();
    plot.redraw();
    return false;
  });
}

// -- light and dark --------------------------------------------------------------------------------------------------

const themeButton = document.getElementById("theme");
function setTheme(dark) {
  root.dataset.theme = dark ? "dark" : "light";
  themeButton.setAttribute("aria-pressed", String(dark));
  for (const plot of document.querySelectorAll(".plot.js-plotly-plot")) plot.redraw();
}
themeButton.addEventListener("click", () => setTheme(root.dataset.theme !== "dark"));
setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => setTheme(event.matches));
// Paper is white whatever the screen is.
let before = null;
addEventListener("beforeprint", () => { before = root.dataset.theme; setTheme(false); });
addEventListener("afterprint", () => { if (before) setTheme(before === "dark"); });

// -- tables ----------------------------------------------------------------------------------------------------------

const ROWS_PER_PAGE = 50;
const NEVER = "–";  // what was never measured; a number that is not finite is a text

function connectDownloads(csv) {
  for (const button of document.querySelectorAll("button.download")) {
    const name = button.dataset.csv;
    if (csv[name] === undefined) { button.remove(); continue; }
    button.addEventListener("click", () => {
      const link = element("a", "", { href: URL.createObjectURL(new Blob([csv[name]], { type: "text/csv" })), download: `${name}.csv` });
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }
}

function connectTrials({ columns, trials, details }) {
  const table = document.getElementById("trial-table");
  const outcomePlace = columns.indexOf("outcome");
  const filter = document.getElementById("outcome-filter");
  const text = document.getElementById("text-filter");
  let sortPlace = null, ascending = true, page = 0;
  for (const outcome of new Set(trials.map((row) => row[outcomePlace]))) filter.append(element("option", outcome, { value: outcome }));

  const head = element("tr");
  columns.forEach((column, place) => {
    const cell = element("th", "", { scope: "col" });
    const button = element("button", column.replaceAll("_", " "), { type: "button" });
    button.addEventListener("click", () => {
      ascending = sortPlace === place ? !ascending : true;
      sortPlace = place;
      for (const other of head.children) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      show();
    });
    cell.append(button);
    head.append(cell);
  });
  table.tHead.append(head);

  const infinite = new Map([["inf", Infinity], ["off", Infinity], ["-inf", -Infinity]]);
  const number = (value) => infinite.get(value) ?? Number(value);
  const last = (value) => value === null ? 2 : value === "nan" ? 1 : 0;
  const compare = (a, b) => {
    if (last(a) || last(b)) return last(a) - last(b);  // NaN stays last, after it what was never measured
    if (number(a) === number(b)) return 0;  // infinities too, whose difference is NaN
    const order = Number.isNaN(number(a)) || Number.isNaN(number(b)) ? String(a).localeCompare(String(b)) : number(a) - number(b);
    return ascending ? order : -order;
  };
  function found() {
    const wanted = text.value.trim().toLowerCase();
    const rows = trials.filter((row) => (!filter.value || row[outcomePlace] === filter.value)
      && (!wanted || row.some((value) => String(value ?? "").toLowerCase().replaceAll("_", " ").includes(wanted))));
    return sortPlace === null ? rows : rows.sort((a, b) => compare(a[sortPlace], b[sortPlace]));
  }
  function show() {
    const rows = found(), pages = Math.max(1, Math.ceil(rows.length / ROWS_PER_PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    document.getElementById("count").textContent = `${rows.length} of ${trials.length} trials`;
    document.getElementById("page").textContent = `page ${page + 1} of ${pages}`;
    document.getElementById("previous").disabled = page === 0;
    document.getElementById("next").disabled = page === pages - 1;
    table.tBodies[0].replaceChildren(...rows.slice(page * ROWS_PER_PAGE, (page + 1) * ROWS_PER_PAGE).map(rowOf));
  }
  function textOf(value) {
    if (value === null) return NEVER;
    if (typeof value === "number" && value !== 0 && Math.abs(value) < 1e-3) return value.toExponential();
    return String(value).replaceAll("_", " ");
  }
  function rowOf(row) {
    const line = element("tr");
    row.forEach((value, place) => {
      const cell = element("td", textOf(value));
      if (place === 0) {
        const button = element("button", String(value), { type: "button", className: "open" });
        button.setAttribute("aria-expanded", "false");
        cell.replaceChildren(button);
      }
      if (place === outcomePlace) cell.className = `mark ${value}`;
      line.append(cell);
    });
    line.addEventListener("click", () => open(line, row));
    return line;
  }
  function open(line, row) {
    const button = line.querySelector("button");
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) { line.nextElementSibling.remove(); return; }
    const cell = element("td", "", { colSpan: columns.length });
    cell.append(detailOf(details[row[0]], row[0]));
    const wrapper = element("tr", "", { className: "detail" });
    wrapper.append(cell);
    line.after(wrapper);
  }
  for (const control of [filter, text]) control.addEventListener("input", () => { page = 0; show(); });
  document.getElementById("previous").addEventListener("click", () => { page -= 1; show(); });
  document.getElementById("next").addEventListener("click", () => { page += 1; show(); });
  show();
}

function detailOf(detail, number) {
  const box = element("div", "", { className: "trial" });
  if (!detail) {
    box.append(element("p", `No telemetry of trial ${number} is kept on this page; ask \`stability-sweep show NAME ${number}\`.`));
    return box;
  }
  if (detail.damaged) box.append(element("p", detail.damaged));
  if (detail.autopsy) {
    box.append(element("p", detail.autopsy.sentence));
    const trail = element("ol");
    for (const line of detail.autopsy.trail) trail.append(element("li", line));
    if (detail.autopsy.trail.length) box.append(trail);
  }
  for (const [name, values] of Object.entries(detail.signals ?? {})) {
    const item = element("div", "", { className: "signal" });
    item.append(element("b", name.replaceAll("_", " ")), sparkline(values), element("span", `${values[0] ?? NEVER} to ${values.at(-1) ?? NEVER}`));
    box.append(item);
  }
  return box;
}

function sparkline(values) {
  const WIDTH = 220, HEIGHT = 34, make = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
  const finite = values.filter((value) => typeof value === "number");
  const isLog = finite.length > 0 && Math.min(...finite) > 0 && Math.max(...finite) > 100 * Math.min(...finite);
  const scaled = values.map((value) => typeof value !== "number" ? null : isLog ? Math.log(value) : value);
  const shown = scaled.filter((value) => value !== null);
  const low = Math.min(...shown), span = Math.max(...shown) - low || 1;
  const svg = make("svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("aria-hidden", "true");
  const x = (place) => 4 + (place / Math.max(1, values.length - 1)) * (WIDTH - 8);
  const line = make("polyline");
  line.setAttribute("points", scaled.flatMap((value, place) => value === null ? [] : [`${x(place).toFixed(1)},${(HEIGHT - 5 - ((value - low) / span) * (HEIGHT - 10)).toFixed(1)}`]).join(" "));
  svg.append(line);
  scaled.forEach((value, place) => {
    if (value !== null) return;
    const cross = make("text");
    cross.setAttribute("x", x(place));
    cross.setAttribute("y", 13);
    cross.textContent = "×";
    svg.append(cross);
  });
  return svg;
}

// -- start -----------------------------------------------------------------------------------------------------------

drawFigures().catch((error) => {
  for (const plot of document.querySelectorAll(".plot:not(.js-plotly-plot)")) {
    plot.classList.add("failed");
    plot.textContent = `This figure needs a browser of 2023 or later (${error.message}).`;
  }
}).then(() => unpack("payload-gzip")).then((text) => {
  const content = JSON.parse(text);
  connectDownloads(content.csv);
  connectTrials(content);
  root.dataset.ready = "yes";
});
