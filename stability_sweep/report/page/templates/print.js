// -- on paper --------------------------------------------------------------------------------------------------------

// Paper is white whatever the screen is, and takes two figures a row: they are drawn at a width of which paper shows
// the letters large enough, and the style sheet makes them smaller.
const PRINTED_WIDTH = 640;
let themeOnScreen = null;

function sizeFigures(size) {
  for (const plot of document.querySelectorAll(".plot.js-plotly-plot")) Plotly.relayout(plot, size(plot));
}

addEventListener("beforeprint", () => {
  if (themeOnScreen !== null) return;
  themeOnScreen = root.dataset.theme;
  setTheme("light");
  root.classList.add("on-paper");
  sizeFigures(() => ({ width: PRINTED_WIDTH, autosize: false }));
});
addEventListener("afterprint", () => {
  if (themeOnScreen === null) return;
  root.classList.remove("on-paper");
  setTheme(themeOnScreen);
  themeOnScreen = null;
  sizeFigures(() => ({ width: null, autosize: true }));
});
