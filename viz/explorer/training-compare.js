"use strict";

/** A second run beside the first, on the same data: another start, another rate. */
const compared = (() => {
  const { make } = elements;
  const { short } = numbers;
  const { parameters } = training;
  const starts = {
    "as recorded": parameters.map(({ p }) => p.slice()),
    ...Object.fromEntries(Object.entries(training.data.starts).map(([name, texts]) =>
      [name, texts.map((data, k) => numbers.decode({ data, size: parameters[k].p.length }))])),
  };
  const start = make("select", { "aria-label": "Start of the second run" }, ...["no second run", ...Object.keys(starts)].map((name) => make("option", {}, name)));
  const rate = make("input", { type: "number", step: "any", min: 0, value: training.state.rate, "aria-label": "Learning rate of the second run" });
  const rule = make("select", { "aria-label": "Optimiser of the second run" }, ...training.rules.map((name) => make("option", name === training.state.optimiser ? { selected: "" } : {}, name)));
  const status = make("p", { class: "meta", role: "status" });
  const canvas = plane && training.data.answers.alone ? make("canvas", { "aria-hidden": "true" }) : null;
  const picture_of = canvas ? [make("div", { class: "plane", hidden: "", role: "img", "aria-label": "What the second run predicts" }, canvas)] : [];
  const element = make(
    "details",
    { id: "compare" },
    make("summary", {}, "Compare with a second run on the same data"),
    make("p", { class: "field" }, start),
    make("div", { class: "settings" }, make("label", {}, "Learning rate ", rate), make("label", {}, "Optimiser ", rule)),
    status,
  );

  /** Begin it from step 0, or end it. */
  function begin() {
    training.compare(starts[start.value] ?? null, { rate: rate.valueAsNumber, optimiser: rule.value });
    draw();
  }

  /** Where it stands, and what it predicts. */
  function draw() {
    const run = training.second();
    const [step, cost] = run?.curve.at(-1) ?? [0, null];
    const words = cost === null ? "it takes a step with each of the first" : `cost ${short(cost)} after ${step} steps`;
    status.textContent = run ? `second run (dotted): ${words}` : "";
    picture_of.forEach((one) => (one.hidden = run === null));
    if (run && canvas) {
      plane.paint(canvas, run);
    }
  }

  start.addEventListener("input", begin);
  rate.addEventListener("input", () => training.second() && rate.valueAsNumber > 0 && (training.second().rate = rate.valueAsNumber));
  rule.addEventListener("input", () => training.second() && training.choose(rule.value, training.second()));
  elements.alone(element);
  return { element, planes: make("div", { class: "planes" }, ...(plane ? [plane.element] : []), ...picture_of), draw };
})();
