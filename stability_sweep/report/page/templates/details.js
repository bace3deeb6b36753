// -- an opened trial -------------------------------------------------------------------------------------------------

function detailOf(detail, number) {
  const box = element("div", "", { className: "trial" });
  if (!detail) {
    box.append(element("p", `No telemetry of trial ${number} is kept on this page; ask \`stability-sweep show NAME ${number}\`.`));
    return box;
  }
  if (detail.damaged) box.append(element("p", detail.damaged));
  if (detail.autopsy) {
    box.append(element("p", detail.autopsy.sentence));
    const trail = element("ol");
    for (const line of detail.autopsy.trail) trail.append(element("li", line));
    if (detail.autopsy.trail.length) box.append(trail);
  }
  if (detail.signals) box.append(signalsOf(detail));
  return box;
}

function signalsOf(detail) {
  const box = element("div", "", { className: "signals" });
  const series = Object.entries(detail.signals);
  for (const [name, values] of series) {
    const item = element("div", "", { className: "signal" });
    item.append(element("b", name.replaceAll("_", " ")), sparkline(values), element("span", `${values[0] ?? NEVER} to ${values.at(-1) ?? NEVER}`));
    box.append(item);
  }
  const most = Math.max(...series.map(([, values]) => values.length)), fewest = Math.min(...series.map(([, values]) => values.length));
  const points = most === fewest ? `${most}` : `${fewest} to ${most}`;
  box.append(element("p", `All ${series.length} signals, from step 1 to step ${detail.last_step}: ${points} of the ${detail.measured} steps that are stored, evenly chosen among these. × is NaN or an infinity.`));
  return box;
}

function sparkline(values) {
  const WIDTH = 220, HEIGHT = 34, make = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
  const finite = values.filter((value) => typeof value === "number");
  const isLog = finite.length > 0 && Math.min(...finite) > 0 && Math.max(...finite) > 100 * Math.min(...finite);
  const scaled = values.map((value) => typeof value !== "number" ? null : isLog ? Math.log(value) : value);
  const shown = scaled.filter((value) => value !== null);
  const low = Math.min(...shown), span = Math.max(...shown) - low || 1;
  const svg = make("svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("aria-hidden", "true");
  const x = (place) => 4 + (place / Math.max(1, values.length - 1)) * (WIDTH - 8);
  const line = make("polyline");
  line.setAttribute("points", scaled.flatMap((value, place) => value === null ? [] : [`${x(place).toFixed(1)},${(HEIGHT - 5 - ((value - low) / span) * (HEIGHT - 10)).toFixed(1)}`]).join(" "));
  svg.append(line);
  scaled.forEach((value, place) => {
    if (value !== null) return;
    const cross = make("text");
    cross.setAttribute("x", x(place));
    cross.setAttribute("y", 13);
    cross.textContent = "×";
    svg.append(cross);
  });
  return svg;
}
