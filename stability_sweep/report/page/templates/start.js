// -- start -----------------------------------------------------------------------------------------------------------

let table = null;

drawFigures().catch((error) => {
  for (const plot of document.querySelectorAll(".plot:not(.js-plotly-plot)")) {
    plot.classList.add("failed");
    plot.prepend(element("p", `This figure needs a browser of 2023 or later (${error.message}).`));
  }
}).then(() => unpack("payload-gzip")).then((text) => {
  const content = JSON.parse(text);
  const heightBefore = scrollY;
  connectDownloads(content.csv);
  table = new TrialTable(content);
  choices = content.choices;
  showChoice();
  restore();
  if (["trials", "appendix"].includes(addressParts().section) && scrollY === heightBefore) goToSection();
  root.dataset.ready = "yes";
  writeAddress();  // without what nothing on the page knows
});
