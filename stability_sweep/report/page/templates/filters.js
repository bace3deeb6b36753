// -- filters of the table of trials ----------------------------------------------------------------------------------

const NEVER = "–";  // what was never measured; a number that is not finite is a text
const WORDS = ["nan", "inf", "-inf", "off"];
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

const sizes = new Map([["inf", Infinity], ["-inf", -Infinity]]);
const sizeOf = (value) => typeof value === "number" ? value : sizes.get(value) ?? NaN;  // "off" is no size

function shownValue(value) {
  if (value === null) return NEVER;
  if (typeof value !== "number") return String(value).replaceAll("_", " ");
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  const rounded = Number(value.toPrecision(4));
  return Math.abs(rounded) < 1e-3 || Math.abs(rounded) >= 1e6 ? rounded.toExponential() : String(rounded);
}

// What a text asks of a value: a test, or null where the text is not understood.
function numberTest(text) {
  const tests = text.split(",").map((part) => part.trim()).filter(Boolean).map(oneNumberTest);
  if (tests.includes(null)) return null;
  return (value) => !tests.length || tests.some((test) => test(value));
}

function oneNumberTest(text) {
  const word = text.toLowerCase();
  if (word === "-" || word === NEVER) return (value) => value === null;
  if (WORDS.includes(word)) return (value) => value === word;
  const [from, to, ...more] = text.split("..").map((end) => end.trim());
  if (to !== undefined) {
    if (more.length || !NUMBER.test(from) || !NUMBER.test(to)) return null;
    return (value) => sizeOf(value) >= Number(from) && sizeOf(value) <= Number(to);
  }
  const [, sign, digits] = text.match(/^(<=|>=|≤|≥|<|>|=|)\s*(.*)$/);
  if (!NUMBER.test(digits)) return null;
  const limit = Number(digits), asShown = shownValue(limit);
  if (sign === "<") return (value) => sizeOf(value) < limit;
  if (sign === ">") return (value) => sizeOf(value) > limit;
  if (sign === "<=" || sign === "≤") return (value) => sizeOf(value) <= limit;
  if (sign === ">=" || sign === "≥") return (value) => sizeOf(value) >= limit;
  return (value) => typeof value === "number" && shownValue(value) === asShown;  // as far as the table shows it
}

const plainText = (value) => String(value ?? "").toLowerCase().replaceAll("_", " ");

function textTest(text) {
  const wanted = plainText(text.trim());
  if (wanted === "-" || wanted === NEVER) return (value) => value === null;
  return (value) => plainText(value).includes(wanted);
}

// -- order -----------------------------------------------------------------------------------------------------------

// NaN stays last in either direction, after it what was never measured.
function compare(a, b, ascending) {
  const last = (value) => value === null ? 2 : value === "nan" ? 1 : 0;
  if (last(a) || last(b)) return last(a) - last(b);
  const size = (value) => value === "off" ? Infinity : sizeOf(value);
  if (size(a) === size(b)) return 0;  // infinities too, whose difference is NaN
  const order = Number.isNaN(size(a)) || Number.isNaN(size(b)) ? String(a).localeCompare(String(b)) : size(a) - size(b);
  return ascending ? order : -order;
}
