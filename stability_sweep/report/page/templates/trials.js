// -- the table of trials ---------------------------------------------------------------------------------------------

const ROWS_PER_PAGE = 50;
const byId = (id) => document.getElementById(id);

class TrialTable {
  constructor({ columns, trials, details }) {
    this.details = details;
    this.rows = identified(trials);
    this.columns = columns.map((name, place) => ({ name, place, title: name.replaceAll("_", " "), isNumber: isNumeric(trials, place) }));
    this.outcome = columns.indexOf("outcome");
    this.element = byId("trial-table");
    this.anywhere = byId("text-filter");
    this.sort = null;
    this.page = 0;
    this.rowsPerPage = ROWS_PER_PAGE;
    this.opened = new Set();
    this.isPrinting = false;
    this.fillHead();
    this.connect();
    this.keep();
    this.show();
  }

  fillHead() {
    const titles = element("tr"), filters = element("tr", "", { className: "filters" });
    for (const column of this.columns) {
      column.head = element("th", "", { scope: "col", className: column.isNumber ? "number" : "" });
      const button = element("button", column.title, { type: "button" });
      button.addEventListener("click", () => {
        this.sort = { column, ascending: this.sort?.column === column ? !this.sort.ascending : true };
        this.changed();
      });
      column.head.append(button);
      titles.append(column.head);
      column.filter = column.place === this.outcome ? this.outcomeFilter() : filterField(column);
      column.filter.addEventListener("input", () => { this.page = 0; this.changed(); });
      const cell = element("td");
      cell.append(column.filter);
      filters.append(cell);
    }
    this.element.tHead.append(titles, filters);
  }

  outcomeFilter() {
    const select = element("select", "", { id: "outcome-filter", ariaLabel: "filter outcome" });
    select.append(element("option", "all", { value: "" }));
    for (const outcome of new Set(this.rows.map(({ values }) => values[this.outcome]))) select.append(element("option", outcome, { value: outcome }));
    return select;
  }

  connect() {
    this.anywhere.addEventListener("input", () => { this.page = 0; this.changed(); });
    byId("clear-filters").addEventListener("click", () => { this.clearFilters(); this.changed(); });
    byId("previous").addEventListener("click", () => { this.page -= 1; this.changed(); });
    byId("next").addEventListener("click", () => { this.page += 1; this.changed(); });
    document.addEventListener("restored", () => this.restored());
    addEventListener("beforeprint", () => this.print(true));
    addEventListener("afterprint", () => this.print(false));
    for (const plot of document.querySelectorAll(".plot.js-plotly-plot")) plot.on("plotly_click", ({ points }) => {
      const mark = points.find(({ data }) => data.meta?.trials === true);
      if (mark) this.openNumber([mark.customdata].flat()[0]);
    });
  }

  keep() {
    keepInAddress("find", () => this.anywhere.value, (text) => { this.anywhere.value = text; });
    for (const { name, filter } of this.columns) keepInAddress(`filter.${name}`, () => filter.value, (text) => {
      filter.value = text;
      if (filter.selectedIndex === -1) filter.selectedIndex = 0;  // an outcome that no trial has
    });
    keepInAddress("sort", () => this.sort ? (this.sort.ascending ? "" : "-") + this.sort.column.name : "", (text) => {
      const column = this.columns.find(({ name }) => text === name || text === `-${name}`);
      this.sort = column ? { column, ascending: text === column.name } : null;
    });
    keepInAddress("page", () => this.page ? String(this.page + 1) : "", (text) => { this.page = /^\d{1,6}$/.test(text) ? Number(text) - 1 : 0; });
    keepInAddress("open", () => [...this.opened].join(","), (text) => {
      this.opened = new Set(text.split(",").filter((id) => this.rows.some((row) => row.id === id)));
    });
  }

  restored() {
    const { section, values } = addressParts();
    const [first] = this.opened;
    if (first && !values.has("page")) this.turnTo(first);
    this.show();
    if (first && section === "trials") this.line(first)?.scrollIntoView({ block: "center" });
  }

  changed() {
    this.show();
    writeAddress();
  }

  clearFilters() {
    for (const filter of [this.anywhere, ...this.columns.map((column) => column.filter)]) filter.value = "";
    this.page = 0;
  }

  // -- what is found, and shown

  found() {
    const tests = [], problems = [];
    for (const { filter, place, isNumber, title } of this.columns) {
      const test = place === this.outcome ? (value) => !filter.value || value === filter.value : (isNumber ? numberTest : textTest)(filter.value);
      filter.setAttribute("aria-invalid", String(test === null));
      if (test === null) problems.push(`“${filter.value}” under ${title}`);
      else if (filter.value) tests.push((values) => test(values[place]));
    }
    tellProblems(problems);
    const wanted = plainText(this.anywhere.value.trim());
    const holds = ({ values }) => tests.every((test) => test(values)) && (!wanted || values.some((value) => plainText(value).includes(wanted)));
    const rows = this.rows.filter(holds);
    if (!this.sort) return rows;
    const { column: { place }, ascending } = this.sort;
    return rows.sort((a, b) => compare(a.values[place], b.values[place], ascending));
  }

  show() {
    const rows = this.found(), pages = Math.max(1, Math.ceil(rows.length / this.rowsPerPage));
    this.page = Math.min(Math.max(this.page, 0), pages - 1);
    for (const column of this.columns) {
      if (this.sort?.column === column) column.head.setAttribute("aria-sort", this.sort.ascending ? "ascending" : "descending");
      else column.head.removeAttribute("aria-sort");
    }
    byId("count").textContent = `${rows.length} of ${this.rows.length} trials`;
    byId("page").textContent = `page ${this.page + 1} of ${pages}`;
    byId("previous").disabled = this.page === 0;
    byId("next").disabled = this.page === pages - 1;
    byId("clear-filters").disabled = !this.anywhere.value && this.columns.every(({ filter }) => !filter.value);
    const shown = rows.slice(this.page * this.rowsPerPage, (this.page + 1) * this.rowsPerPage);
    const { kept, same, left } = this.isPrinting ? columnsOnPaper(this.columns, shown) : { kept: this.columns, same: [], left: [] };
    for (const column of this.columns) column.head.hidden = !kept.includes(column);
    this.element.tBodies[0].replaceChildren(...shown.flatMap((row) => this.lines(row, kept)));
    byId("printed").textContent = [printedText(shown.length, rows.length, this.rows.length), ...leftOutText(same, left, shown)].join(" ");
  }

  lines(row, columns) {
    const line = element("tr"), isOpen = this.opened.has(row.id);
    line.dataset.trial = row.id;
    for (const { place, isNumber } of columns) line.append(this.cell(row.values[place], place, isNumber, isOpen));
    line.addEventListener("click", () => this.toggle(row.id));
    return isOpen ? [line, this.detail(row)] : [line];
  }

  cell(value, place, isNumber, isOpen) {
    const cell = element("td", shownValue(value), { className: isNumber ? "number" : "" });
    if (value !== null) cell.title = String(value);
    if (place === this.outcome) cell.className = `mark ${value}`;
    if (place > 0) return cell;
    const button = element("button", String(value), { type: "button", className: "open" });
    button.setAttribute("aria-expanded", String(isOpen));
    cell.replaceChildren(button);
    return cell;
  }

  // -- opened trials

  detail(row) {
    const cell = element("td", "", { colSpan: this.columns.length });
    cell.append(detailOf(this.details[row.values[0]], row.values[0]));
    const wrapper = element("tr", "", { className: "detail" });
    wrapper.append(cell);
    return wrapper;
  }

  toggle(id) {
    if (!this.opened.delete(id)) this.opened.add(id);
    const hadFocus = this.line(id)?.contains(document.activeElement);
    this.changed();
    if (hadFocus) this.line(id)?.querySelector("button").focus({ preventScroll: true });
  }

  openNumber(number) {
    const ids = this.rows.filter(({ values }) => values[0] === number).map(({ id }) => id);
    if (!ids.length) return tellProblems([], `Trial ${number} is not among the trials that are listed.`);
    if (!this.found().some(({ id }) => id === ids[0])) this.clearFilters();
    for (const id of ids) this.opened.add(id);
    this.turnTo(ids[0]);
    this.show();
    writeAddress({ goesTo: "trials" });
    this.line(ids[0]).scrollIntoView({ block: "center" });
    this.line(ids[0]).querySelector("button").focus({ preventScroll: true });
  }

  turnTo(id) {
    const place = this.found().findIndex((row) => row.id === id);
    if (place >= 0) this.page = Math.floor(place / this.rowsPerPage);
  }

  line(id) { return [...this.element.tBodies[0].rows].find(({ dataset }) => dataset.trial === id); }

  // -- on paper

  print(isPrinting) {
    if (isPrinting) this.pageOnScreen = this.page;
    this.isPrinting = isPrinting;
    this.rowsPerPage = isPrinting ? MOST_PRINTED : ROWS_PER_PAGE;
    this.page = isPrinting ? 0 : this.pageOnScreen;
    this.show();
  }
}

// Two studies may both have a trial of the same number: the second is then 12.2.
function identified(trials) {
  const seen = new Map();
  return trials.map((values) => {
    const times = (seen.get(values[0]) ?? 0) + 1;
    seen.set(values[0], times);
    return { values, id: times === 1 ? String(values[0]) : `${values[0]}.${times}` };
  });
}

function isNumeric(trials, place) {
  const values = trials.map((row) => row[place]).filter((value) => value !== null);
  return values.length > 0 && values.every((value) => typeof value === "number" || WORDS.includes(value));
}

function filterField({ title, isNumber }) {
  return element("input", "", {
    type: "search", ariaLabel: `filter ${title}`, placeholder: "any", autocomplete: "off",
    title: isNumber ? "such as 64, >0.01, <=64, 1e-3..1e-2, nan, off, - (never measured)" : "a part of the text, or - (never measured)",
  });
}

function tellProblems(problems, other = "") {
  const help = "Write a number (64), >0.01, <=64, 1e-3..1e-2, nan, inf, off, or - for what was never measured; a comma between them means “or”.";
  byId("filter-problem").textContent = problems.length ? `Not understood, and ignored: ${problems.join(", ")}. ${help}` : other;
}

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
