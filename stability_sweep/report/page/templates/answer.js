// -- the answer, and what else the reader may ask --------------------------------------------------------------------

let choices = {};  // by the key of an exhibit, by horizon and tolerance; there when the payload is unpacked

function connectAnswer() {
  const box = document.getElementById("answer"), data = document.getElementById("answers");
  if (!data) return;
  const { choices: answers, tolerances, slices } = JSON.parse(data.textContent);
  const selects = { horizon: document.getElementById("horizon"), tolerance: document.getElementById("tolerance") };
  const own = (select) => String([...select.options].findIndex((option) => option.defaultSelected));
  const show = () => {
    const horizon = Number(selects.horizon.value), tolerance = Number(selects.tolerance.value);
    box.firstElementChild.replaceChildren(...answers[horizon][tolerance].map((sentence) => element("p", sentence)));
    Object.assign(asked, { tolerance: tolerances[tolerance], choice: [horizon, tolerance] });
    showChoice();
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

// What follows the answer: figures and tables that say something else within another horizon, at another tolerance.
function showChoice() {
  if (!asked.choice) return;
  const [horizon, tolerance] = asked.choice;
  for (const panel of document.querySelectorAll("figure[data-asked]")) {
    const choice = choices[panel.dataset.key]?.[horizon][tolerance];
    if (!choice) continue;
    panel.querySelector("h3").textContent = choice.title;
    panel.querySelector("figcaption").textContent = choice.caption;
    if (choice.traces) panel.querySelector(".plot").showTraces?.(choice.traces);
    if (choice.rows) fillTable(panel.querySelector("table"), choice.rows);
    tellWhatIsDownloaded(panel.querySelector(".download"));
  }
}

function fillTable(table, rows) {
  const headings = [...table.tHead.rows[0].cells].map(({ textContent }) => textContent);
  const isRecords = table.classList.contains("records");  // on paper every cell stands behind its heading
  table.tBodies[0].replaceChildren(...rows.map((row) => {
    const line = element("tr");
    line.append(...row.map((text, place) => {
      const cell = element("td", text);
      if (isRecords) cell.dataset.heading = headings[place];
      return cell;
    }));
    return line;
  }));
  table.closest(".scroll").hidden = rows.length === 0;
}

// A file has the study's own question, whatever the page shows.
function tellWhatIsDownloaded(button) {
  if (!button) return;
  const own = ["tolerance", "horizon"].map((name) => [...document.getElementById(name).options].find((option) => option.defaultSelected));
  const [tolerance, horizon] = own.map(({ textContent }) => textContent);
  button.dataset.label ??= button.ariaLabel;
  const which = own.every(({ selected }) => selected) ? "" : ` for at most ${tolerance} within ${horizon}`;
  button.textContent = `Table (CSV)${which}`;
  button.ariaLabel = `${button.dataset.label}${which}`;
}
