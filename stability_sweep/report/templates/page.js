"use strict";
(async () => {
  const packed = document.getElementById("plotly-gzip").textContent;
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const library = document.createElement("script");
  library.textContent = await new Response(stream).text();
  document.head.append(library);
  const config = {
    responsive: true, displaylogo: false, plotlyServerURL: "",
    modeBarButtonsToRemove: ["sendChartToCloud", "lasso2d", "select2d"],
  };
  for (const plot of document.querySelectorAll(".plot")) {
    const figure = JSON.parse(plot.parentElement.querySelector("script").textContent);
    await Plotly.newPlot(plot, figure.data, figure.layout, config);
  }
  document.documentElement.dataset.drawn = "yes";
})().catch((error) => {
  for (const plot of document.querySelectorAll(".plot")) {
    plot.classList.add("failed");
    plot.textContent = "This figure needs a browser of 2023 or later (" + error.message + ").";
  }
});

for (const head of document.querySelectorAll("#trials th")) {
  head.querySelector("button").addEventListener("click", () => {
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    const place = [...head.parentElement.children].indexOf(head);
    const body = document.querySelector("#trials tbody");
    const key = (row) => row.children[place].dataset.sort;
    const number = (text) => ({ inf: Infinity, "-inf": -Infinity })[text] ?? Number(text);
    const compare = (a, b) => {
      if (a === "" || b === "") return (a === "") - (b === "");  // what was never measured stays last
      const order = Number.isNaN(number(a)) || Number.isNaN(number(b)) ? a.localeCompare(b) : number(a) - number(b);
      return ascending ? order : -order;
    };
    body.append(...[...body.children].sort((a, b) => compare(key(a), key(b))));
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  });
}
