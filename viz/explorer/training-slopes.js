"use strict";

/** A gradient beside finite differences: how their distance falls with ε, and rises again. */
const slopes = (() => {
  const { make, shape } = elements;
  const { short } = numbers;
  const POWERS = Array.from({ length: 27 }, (_, k) => -k / 2); // of ten: 1 to 1e-13
  const [WIDTH, HEIGHT, LEFT, BELOW] = [400, 190, 52, 26];
  const LONGEST = 1500; // milliseconds of all runs; where they take longer, one ε at a time
  const LEAST = -14; // power of ten of the smallest error that is drawn
  const which = make("select", { "aria-label": "Parameter" }, ...training.parameters.map(({ name }) => make("option", {}, name)));
  const at = make("input", { type: "number", min: 0, value: 0, step: 1, "aria-label": "Position of the number" });
  const range = make("input", { type: "range", min: 0, max: POWERS.length - 1, step: 1, value: 8, "aria-label": "ε, as a power of ten" });
  const line = make("p", { class: "meta", role: "status" });
  const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "chart" });
  const element = make(
    "details",
    { id: "slopes" },
    make("summary", {}, "Check a gradient by finite differences"),
    make("p", { class: "field" }, which, at),
    make("label", { class: "field" }, "ε", range),
    line,
    drawing,
  );

  /** The cost with one number changed; everything is left as it was. */
  function nudged({ p }, i, by) {
    const before = p[i];
    p[i] = before + by;
    program.run();
    p[i] = before;
    return training.cost();
  }

  /** How near both can come, where the cost is rounded: ε is small against curvature, large against roundings. */
  const nearest = ({ p }, here, slope) => (((p instanceof Float32Array ? 2 ** -24 : 2 ** -53) * Math.abs(here)) / (Math.abs(slope) || 1)) ** (2 / 3);

  const chosen = () => training.parameters[which.selectedIndex];

  /** For each ε the relative errors of both differences. */
  function measure() {
    const one = chosen();
    const i = Math.max(0, Math.min(one.p.length - 1, Math.floor(at.valueAsNumber) || 0));
    at.max = String(one.p.length - 1);
    program.run();
    const here = training.cost();
    const slope = training.slope(one)[i];
    const powers = live.took() * 2 * POWERS.length < LONGEST ? POWERS : [POWERS[Number(range.value)]];
    const found = powers.map((power) => {
      const epsilon = 10 ** power;
      const [up, down] = [nudged(one, i, epsilon), nudged(one, i, -epsilon)];
      const forward = (up - here) / epsilon;
      const central = (up - down) / (2 * epsilon);
      const error = (x) => Math.abs(x - slope) / (Math.abs(slope) || 1);
      return { epsilon, power, forward, central, errors: [error(forward), error(central)] };
    });
    program.run();
    return { slope, found, least: Math.max(1e-3, 10 * nearest(one, here, slope)) };
  }

  const x = (power) => LEFT + ((WIDTH - LEFT - 8) * -power) / 13;
  const y = (error) => 8 + ((HEIGHT - BELOW - 8) * (1 - Math.max(LEAST, Math.min(1, Math.log10(error)))) ) / (1 - LEAST);

  /** Both errors against ε, and the line about the one that is chosen. */
  function draw() {
    if (!element.open) {
      return;
    }
    const { slope, found, least } = measure();
    const now = found.find(({ power }) => power === POWERS[Number(range.value)]);
    const sound = (k) => found.filter(({ errors }) => Number.isFinite(errors[k])); // far away a cost may be no number
    const path = (k) => sound(k).map(({ power, errors }, n) => `${n ? "L" : "M"}${x(power).toFixed(1)},${y(errors[k]).toFixed(1)}`).join("");
    const nearby = Math.min(...sound(1).map(({ errors }) => errors[1]));
    const text = (words, left, top, anchor = "end") => shape("text", { x: left, y: top, "text-anchor": anchor }, words);
    drawing.replaceChildren(
      shape("path", { class: "axis", d: `M${LEFT},8V${HEIGHT - BELOW}H${WIDTH - 8}` }),
      ...[0, -4, -8, -12].map((power) => text(`1e${power}`.replace("-", "−"), LEFT - 6, y(10 ** power) + 4)),
      ...[0, -4, -8, -12].map((power) => text(`1e${power}`.replace("-", "−"), x(power), HEIGHT - 8, "middle")),
      shape("path", { class: "one", d: path(0) }),
      shape("path", { class: "other", d: path(1) }),
      ...[0, 1].filter((k) => sound(k).includes(now)).map((k) => shape("circle", { class: k ? "other" : "one", cx: x(now.power), cy: y(now.errors[k]), r: 5 })),
    );
    drawing.setAttribute("aria-label", `relative error against ε: least ${short(nearby)} for the central difference`);
    const wrong = found.length > 1 && nearby > least && Number.isFinite(nearby) ? "The gradient is wrong: no ε brings them together. " : "";
    line.textContent = `${wrong}ε = ${short(now.epsilon)}: gradient ${short(slope)}, central difference ${short(now.central)} (error ${short(now.errors[1])}, dashed), forward ${short(now.forward)} (error ${short(now.errors[0])})`;
  }

  for (const control of [which, at, range]) {
    control.addEventListener("input", draw);
  }
  breaker?.addEventListener("input", () => {
    // To the number that a mistake changes most: of what is transposed the diagonal stays.
    const k = chosen().gradient;
    const off = live.values[k].map((v, i) => Math.abs(v - live.recorded[k][i]));
    const most = off.reduce((a, b) => Math.max(a, b), 0);
    at.value = String(most > 0 ? off.indexOf(most) : at.value);
    draw();
  });
  element.addEventListener("toggle", draw);
  elements.alone(element);
  return { element, draw, measure };
})();
