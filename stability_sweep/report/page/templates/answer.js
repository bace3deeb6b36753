// -- the answer, and what else the reader may ask --------------------------------------------------------------------

function connectAnswer() {
  const box = document.getElementById("answer"), data = document.getElementById("answers");
  if (!data) return;
  const { choices, tolerances, slices } = JSON.parse(data.textContent);
  const selects = { horizon: document.getElementById("horizon"), tolerance: document.getElementById("tolerance") };
  const own = (select) => String([...select.options].findIndex((option) => option.defaultSelected));
  const show = () => {
    const horizon = Number(selects.horizon.value), tolerance = Number(selects.tolerance.value);
    box.firstElementChild.replaceChildren(...choices[horizon][tolerance].map((sentence) => element("p", sentence)));
    asked.tolerance = tolerances[tolerance];
    for (const slider of document.querySelectorAll("input[data-follows=horizon]")) {
      if (slider.value === String(slices[horizon])) continue;
      slider.value = slices[horizon];
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    }
    for (const plot of document.querySelectorAll(".plot.js-plotly-plot")) if (plot.hasTolerance) plot.redraw();
  };
  for (const [name, select] of Object.entries(selects)) {
    select.addEventListener("input", () => { show(); writeAddress(); });
    // In the address it is what it says: "5%" means the same in another version of the page.
    keepInAddress(name, () => select.value === own(select) ? "" : select.selectedOptions[0].textContent, (text) => {
      const found = [...select.options].find((option) => option.textContent === text);
      select.value = found ? found.value : own(select);
      show();
    });
  }
}
