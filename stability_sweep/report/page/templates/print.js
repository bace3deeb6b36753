// -- on paper --------------------------------------------------------------------------------------------------------

// Paper is white whatever the screen is, and has two columns: figures are drawn at a width of which a column shows the
// letters large enough, and the style sheet makes them smaller. They are lower than on a screen, so that the place
// where a column ends without room for the next one is small.
const PRINTED_WIDTH = 640, PRINTED_SHARE = 0.8;
let themeOnScreen = null;

const drawnPlots = () => [...document.querySelectorAll(".plot.js-plotly-plot")];

// What a map keeps free above for legends that are narrow, as on a phone, and need more rows.
function spareAbove(plot) {
  const [below, above] = ["legend", "legend2"].map((name) => plot.querySelector(`.${name}`)?.getBoundingClientRect());
  const scale = plot.querySelector(".main-svg").getBoundingClientRect().width / PRINTED_WIDTH;
  return below && above ? Math.max(0, (below.top - above.bottom) / scale - 4) : 0;
}

function putOnPaper(plot) {
  Plotly.relayout(plot, { width: PRINTED_WIDTH, autosize: false });
  const { height, margin: { t, b } } = plot.layout, spare = spareAbove(plot);
  Plotly.relayout(plot, { height: t + b - spare + PRINTED_SHARE * (height - t - b), "margin.t": t - spare });
}

// Nobody can unfold the method on paper, so it stands open after the sections. As text that breaks anywhere, it also
// fills the page on which the last figures leave a gap.
const method = document.querySelector("#appendix dl"), methodOnScreen = method.parentElement;

function putMethodOnPaper() {
  const section = element("section", "", { id: "method" });
  section.append(element("h2", "Method"), method);
  document.querySelector(".flow").append(section);
  methodOnScreen.hidden = true;
}

function putMethodBack() {
  document.getElementById("method").remove();
  methodOnScreen.append(method);
  methodOnScreen.hidden = false;
}

addEventListener("beforeprint", () => {
  if (themeOnScreen !== null) return;
  themeOnScreen = root.dataset.theme;
  setTheme("light");
  root.classList.add("on-paper");
  drawnPlots().forEach(putOnPaper);
  putMethodOnPaper();
});
addEventListener("afterprint", () => {
  if (themeOnScreen === null) return;
  root.classList.remove("on-paper");
  putMethodBack();
  setTheme(themeOnScreen);  // this draws the figures anew, as high as they were
  themeOnScreen = null;
  for (const plot of drawnPlots()) Plotly.relayout(plot, { autosize: true });
});

// Of the table of trials paper has what differs between them, as far as it is wide enough; the rest is said in words.
// What is wider than paper makes the browser shrink everything.
const MOST_PRINTED = 300, LETTERS_ACROSS = 136, FEWEST_LETTERS = 8;

function columnsOnPaper(columns, rows) {
  const isSame = ({ place }) => rows.length > 1 && rows.every(({ values }) => values[place] === rows[0].values[place]);
  const differing = columns.filter((column) => !isSame(column));
  let across = 0;
  const fitting = differing.filter((column) => (across += lettersOf(column, rows)) <= LETTERS_ACROSS);
  return { kept: fitting, same: columns.filter(isSame), left: differing.filter((column) => !fitting.includes(column)) };
}

// The longest word of its heading, the longest of its numbers, and a gap; other texts are broken anywhere.
function lettersOf({ title, place, isNumber }, rows) {
  const words = title.split(" "), values = isNumber ? rows.map(({ values }) => shownValue(values[place])) : [];
  return 1 + Math.max(FEWEST_LETTERS * Number(!isNumber), ...[...words, ...values].map(({ length }) => length));
}

function printedText(shown, found, all) {
  const which = found < all ? `${found} of ${all} trials pass the filters` : `${all} trials`;
  return shown < found ? `${which}; the first ${shown} are printed, in the order of the table. The CSV has all.` : `${which}; all are printed.`;
}

function leftOutText(same, left, rows) {
  const valueOf = ({ place }) => rows[0].values[place], titles = (columns) => columns.map(({ title }) => title).join(", ");
  const unmeasured = same.filter((column) => valueOf(column) === null), measured = same.filter((column) => valueOf(column) !== null);
  return [
    measured.length && `In all of them: ${measured.map((column) => `${column.title} ${shownValue(valueOf(column))}`).join(", ")}.`,
    unmeasured.length && `In none of them: ${titles(unmeasured)}.`,
    left.length && `Paper has no room for ${titles(left)}: see the CSV.`,
  ].filter(Boolean);
}
