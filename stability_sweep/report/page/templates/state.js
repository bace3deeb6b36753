// -- what the reader chose, kept in the address ----------------------------------------------------------------------

// #limits&maps1.slice=2&filter.outcome=diverged: a section to go to, then everything that is not as the page opens it.

const kept = new Map();  // by key: how it is read ("" where it is as the page opens it), and how it is set
let isRestoring = false;

function keepInAddress(key, read, set) { kept.set(key, { read, set }); }

function addressParts() {
  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return ""; } };
  const values = new Map();
  let section = "";
  for (const part of location.hash.slice(1).split("&")) {
    const cut = part.indexOf("=");
    if (cut < 0) section ||= decoded(part);
    else values.set(decoded(part.slice(0, cut)), decoded(part.slice(cut + 1)));
  }
  return { section, values };
}

const encoded = (text) => encodeURIComponent(text).replace(/%(2C|3A|2F|40)/g, decodeURIComponent);

// A step to which "back" leads is added only where the reader went somewhere else on the page.
function writeAddress({ goesTo } = {}) {
  if (isRestoring) return;
  const { section, values } = addressParts();
  const parts = [];
  for (const [key, { read }] of kept) if (read() !== "") parts.push(`${encoded(key)}=${encoded(read())}`);
  // The table of trials is not there yet, and will ask for what the address says of it.
  if (!root.dataset.ready) for (const [key, value] of values) if (!kept.has(key)) parts.push(`${encoded(key)}=${encoded(value)}`);
  const fragment = [goesTo ?? section, ...parts].filter(Boolean).join("&");
  const address = fragment ? `#${fragment}` : location.pathname + location.search;
  try {
    if (goesTo && address !== location.hash) history.pushState({ isKept: true }, "", address);
    else history.replaceState({ isKept: true }, "", address);
  } catch { /* a preview or a mail client may forbid it: the page works without */ }
}

function restore() {
  const { values } = addressParts();
  isRestoring = true;
  for (const [key, { read, set }] of kept) if (read() !== (values.get(key) ?? "")) set(values.get(key) ?? "");
  document.dispatchEvent(new Event("restored"));
  isRestoring = false;
}

function goToSection() {
  const { section, values } = addressParts();
  const place = section && document.getElementById(section);
  // The browser itself goes to a section that stands alone.
  if (place && values.size) place.scrollIntoView();
}

addEventListener("hashchange", () => {
  // A plain link to a section (an address that is not one of ours) changes nothing but the place.
  if (!history.state?.isKept && !location.hash.includes("=")) return writeAddress();
  restore();
  goToSection();
});

function keepMap(panel) {
  const { key } = panel.dataset;
  const slider = panel.querySelector("input[type=range]");
  const modes = [...panel.querySelectorAll("input[type=radio]")];
  const tell = (control) => control.dispatchEvent(new Event("input", { bubbles: true }));
  if (slider) keepInAddress(`${key}.slice`, () => slider.value === slider.defaultValue ? "" : slider.value, (text) => {
    slider.value = /^\d+$/.test(text) && Number(text) <= Number(slider.max) ? text : slider.defaultValue;
    tell(slider);
  });
  if (modes.length) keepInAddress(`${key}.mode`, () => modes.find((mode) => mode.checked && !mode.defaultChecked)?.value ?? "", (text) => {
    const mode = modes.find(({ value }) => value === text) ?? modes.find(({ defaultChecked }) => defaultChecked);
    mode.checked = true;
    tell(mode);
  });
  panel.addEventListener("input", () => writeAddress());
}

keepInAddress("theme", () => root.dataset.theme === ownTheme() ? "" : root.dataset.theme, (text) => setTheme(["light", "dark"].includes(text) ? text : ownTheme()));
connectAnswer();
document.querySelectorAll("figure[data-key]").forEach(keepMap);
restore();
goToSection();
