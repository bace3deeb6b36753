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

const asked = { tolerance: null, choice: null };  // P(diverge) and the places in the lists, once the reader has asked
const isTouch = matchMedia("(pointer: coarse)").matches;
const figureConfig = {
  responsive: true, displaylogo: false, plotlyServerURL: "", displayModeBar: isTouch ? false : "hover",
  modeBarButtonsToRemove: ["sendChartToCloud", "lasso2d", "select2d"],
};

function fixForTouch(layout) {  // a finger that begins on a figure scrolls the page
  layout.dragmode = false;
  for (const key of Object.keys(layout)) if (/^[xy]axis\d*$/.test(key)) layout[key].fixedrange = true;
}

async function drawFigures() {
  const library = document.createElement("script");
  library.textContent = await unpack("plotly-gzip");
  document.head.append(library);
  for (const panel of document.querySelectorAll("figure.drawn")) {
    const plot = panel.querySelector(".plot");
    const figure = JSON.parse(panel.querySelector("script.figure").textContent);
    figure.layout.uirevision = "kept";  // what the reader zoomed and hid stays when colors or slices change
    if (isTouch) fixForTouch(figure.layout);
    const shown = figure.layout.meta?.marks ? connectMap(panel, plot, figure) : null;
    plot.redraw = () => draw(plot, figure, shown).then(() => fitTitles(plot, figure.layout));
    plot.showTraces = (traces) => { figure.data = traces; return plot.redraw(); };
    plot.hasTolerance = figure.data.some(({ meta }) => meta?.key === "tolerance line");
    plot.replaceChildren();  // the still picture has served
    await plot.redraw();
    for (const svg of plot.querySelectorAll(".main-svg")) svg.setAttribute("aria-hidden", "true");  // its caption says it
    plot.on("plotly_relayout", () => fitTitles(plot, figure.layout));  // it has taken a new width
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

// A title that is longer than its axis, as on a phone, takes several lines.
const ruler = document.createElement("canvas").getContext("2d");

function fitTitles(plot, layout) {
  const changes = {};
  for (const [key, axis] of Object.entries(layout)) {
    if (!/^[xy]axis\d*$/.test(key) || !axis.title?.text) continue;
    const { _length: length, title: { text, font } } = plot._fullLayout[key];
    ruler.font = `${font.size}px ${font.family}`;
    const fitting = inLines(axis.title.text, length);
    if (fitting !== text) changes[`${key}.title.text`] = fitting;
  }
  if (Object.keys(changes).length) Plotly.relayout(plot, changes);
}

function inLines(text, length) {
  const lines = [];
  for (const part of text.split("<br>")) {
    let line = "";
    for (const word of part.split(" ")) {
      const longer = line ? `${line} ${word}` : word;
      if (line && ruler.measureText(longer).width > length) { lines.push(line); line = word; } else line = longer;
    }
    lines.push(line);
  }
  return lines.join("<br>");
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
  if (trace.type === "contour" && meta.key === "tolerance line" && asked.tolerance !== null) {
    return { ...trace, visible, contours: { ...trace.contours, start: asked.tolerance, end: asked.tolerance } };
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
const systemTheme = matchMedia("(prefers-color-scheme: dark)");
const ownTheme = () => systemTheme.matches ? "dark" : "light";
function setTheme(theme) {
  root.dataset.theme = theme;
  themeButton.setAttribute("aria-pressed", String(theme === "dark"));
  for (const plot of document.querySelectorAll(".plot.js-plotly-plot")) plot.redraw();
}
themeButton.addEventListener("click", () => {
  setTheme(root.dataset.theme === "dark" ? "light" : "dark");
  writeAddress();
});
setTheme(ownTheme());
systemTheme.addEventListener("change", () => setTheme(ownTheme()));
