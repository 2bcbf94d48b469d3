"use strict";

/** The sheet to train on: steps, playing, rate and rule; the curve, the plane, the units. */
const trainer = (() => {
  const { make, shape, button } = elements;
  const { short } = numbers;
  const { state } = training;
  const SPEEDS = { "op by op": null, "1 a second": 0, "1 a frame": 1, "10 a frame": 10, "as fast as it goes": Infinity };
  const MANY = 6; // layers that are all told of
  const BUDGET = 10; // milliseconds of a frame for steps
  const [WIDTH, LEFT] = [400, 76];
  const HEIGHT = matchMedia("(height < 820px)").matches ? 110 : 150; // a projector: the plane below is to be seen whole
  const slider = document.getElementById("slider");
  const pace = document.getElementById("pace"); // of the footer, milliseconds for an op
  let timer = null;
  let within = false; // a step is taken op by op, and stands in its midst
  let run = null; // steps that are undone together

  const status = make("p", { id: "trained", role: "status" });
  const go = button("Train", "train", toggle, { id: "train" });
  const one = button("One step", "step", () => onward(1), { id: "one-step" });
  const next = button("One op", "op", op, { id: "one-op", title: "The next op of a step; after the last one the parameters move" });
  const speed = make("select", { "aria-label": "Speed" }, ...Object.keys(SPEEDS).map((name) => make("option", {}, name)));
  speed.selectedIndex = 2;
  const rate = make("input", { id: "rate", type: "number", step: "any", min: 0, value: state.rate, "aria-label": "Learning rate" });
  const rule = make("select", { id: "rule", "aria-label": "Optimiser" }, ...training.rules.map((name) => make("option", name === state.optimiser ? { selected: "" } : {}, name)));
  const chart = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "chart" });
  const units = make("ul", { class: "units" });

  // --- drawing -----------------------------------------------------------------------------------

  /** The costs so far. */
  function curve() {
    const points = training.curve(known()).filter(([, cost]) => Number.isFinite(cost));
    const sound = (run) => run.filter(([, cost]) => Number.isFinite(cost));
    const before = sound(training.before());
    const second = sound(training.second()?.curve ?? []);
    const costs = [...points, ...before, ...second].map(([, cost]) => cost);
    const [low, top] = [Math.min(0, ...costs), Math.max(0, ...costs)];
    const high = top > low ? top : low + 1; // of no cost at all, or of 0
    const last = Math.max(1, state.steps, ...[...before, ...second].map(([step]) => step));
    const x = (step) => LEFT + ((WIDTH - LEFT - 10) * step) / last;
    const y = (cost) => 10 + (HEIGHT - 36) * ((high / 2 - cost / 2) / (high / 2 - low / 2)); // of halves: 1e308 has a place, too
    const path = (run) => run.map(([step, cost], k) => `${k ? "L" : "M"}${x(step).toFixed(1)},${y(cost).toFixed(1)}`).join("");
    const text = (words, left, top, anchor) => shape("text", { x: left, y: top, "text-anchor": anchor }, words);
    chart.replaceChildren(
      shape("path", { class: "axis", d: `M${LEFT},10V${HEIGHT - 26}H${WIDTH - 10}` }),
      ...(before.length > 1 ? [shape("path", { class: "other", d: path(before) })] : []),
      ...(second.length > 1 ? [shape("path", { class: "second", d: path(second) })] : []),
      shape("path", { class: "one", d: path(points) }),
      text(short(high), LEFT - 6, 16, "end"),
      text(short(low), LEFT - 6, HEIGHT - 24, "end"),
      text("0", LEFT, HEIGHT - 8, "middle"),
      text(last === 1 ? "1 step" : `${last} steps`, WIDTH - 10, HEIGHT - 8, "end"),
    );
    chart.setAttribute("aria-label", known() ? `cost after ${state.steps} steps: ${short(training.cost())}` : `the costs of ${state.steps} steps`);
  }

  /** How many units of a layer answer 0 to every example; how much is saturated. Of many layers only those are told of which there is something to tell. */
  function watch() {
    const told = training.data.units.map(({ node, kind, value }) => {
      const { shape: sizes } = story.nodes[node];
      const [among, m] = training.data.rows ? [sizes[1], sizes[0]] : sizes; // units, examples
      const x = new Float64Array(among * m);
      x.shape = sizes;
      live.gather(live.data.places[value], x);
      const silent = (unit) => !Array.from({ length: m }, (_, j) => x[live.spot(unit, j, m, among)]).some((v) => v !== 0);
      const dead = Array.from({ length: among }, (_, unit) => silent(unit)).filter(Boolean).length;
      const flat = x.filter((v) => Math.abs(v) > 0.99 || (story.nodes[node].op === "sigmoid" && v < 0.01)).length;
      const [count, all, words] = kind === "dead" ? [dead, among, "units dead"] : [Math.round((100 * flat) / x.length), 100, "% saturated"];
      mark(node, kind, count / all);
      const name = story.nodes[node].name || story.nodes[node].op;
      return make("li", { class: count > 0 ? kind : "" }, kind === "dead" ? `${name}: ${count} of ${all} ${words}` : `${name}: ${count}${words}`);
    });
    const some = told.length > MANY ? told.filter(({ className }) => className) : told;
    const none = make("li", {}, `${told.length} layers, no unit dead or saturated`);
    units.replaceChildren(...(some.length > 0 || told.length === 0 ? some : [none]));
  }

  /** A box whose units answer no more is grey or red as far as they don't. */
  function mark(node, kind, share) {
    const box = document.getElementById(picture.seen(node));
    if (box?.matches(".node")) {
      box.dataset[kind] = share > 0.5 ? "most" : share > 0 ? "some" : "";
    }
  }

  /** Whether the cost is there, as far as a step was taken op by op. */
  const known = () => !within || story.known(training.data.costNode, Number(slider.value));

  /** Where it stands, in words. */
  function tell() {
    const cost = known() ? `cost ${short(training.cost())}` : "cost not yet computed";
    status.textContent = `step ${state.steps} · ${within ? `op ${slider.value} of ${slider.max} · ` : ""}${cost}`;
    next.disabled = timer !== null;
  }

  function draw() {
    tell();
    curve();
    watch();
    plane?.paint();
    compared.draw();
    plane?.draw();
    training.pad?.paint();
  }

  // --- training ----------------------------------------------------------------------------------

  /** Show where it led; whether it can go on. */
  function arrive() {
    live.show(timer === null);
    const sound = Number.isFinite(training.cost());
    if (!sound) {
      pause();
      status.textContent = live.differs(training.data.cost)
        ? `step ${state.steps}: the cost is no number any more. Reset, and take a smaller learning rate.`
        : "The cost was no number when it was recorded: search the boxes for the first NaN or ∞.";
    }
    return sound;
  }

  /** A step is about to be taken: alone, or one of those since it plays and nothing else was changed. */
  function begin() {
    if (timer !== null && live.done() === run) {
      return;
    }
    const [{ back, size }, first] = [training.mark(), state.steps];
    run = {
      back: () => {
        within = false;
        pause();
        back();
      },
      size,
      words: () => `${state.steps - first} ${state.steps - first === 1 ? "step" : "steps"} of training`,
    };
    live.did(run);
  }

  /** Take steps; whether it can go on. */
  function advance(n, time = Infinity) {
    begin();
    within = false;
    training.steps(n, time);
    return arrive();
  }

  /** Take one step, or as many as there is time for in a frame; whether it can go on. */
  function onward(n) {
    if (!live.slow()) {
      return advance(n, BUDGET);
    }
    if (!live.busy()) { // what takes longer than a frame is computed beside the page
      begin();
      within = false;
      training.update();
      live.beside(arrive);
    }
    return true;
  }

  /** The next op of a step; after the last one the parameters move, and the next step begins. */
  function op() {
    if (slider.value !== slider.max) {
      within = true;
      document.getElementById("forward").click();
      return true;
    }
    if (live.busy()) {
      return true;
    }
    begin();
    training.update();
    training.follow();
    within = true;
    slider.value = "0";
    slider.dispatchEvent(new Event("input"));
    if (live.slow()) {
      live.beside(arrive);
      return true;
    }
    live.run();
    return arrive();
  }

  /** While it plays, a screen reader is not told every cost. */
  function quiet(on) {
    [status, document.getElementById("changed")].forEach((one) => one.setAttribute("aria-live", on ? "off" : "polite"));
  }

  function pause() {
    cancelAnimationFrame(timer);
    timer = null;
    go.textContent = "Train";
    quiet(false);
    live.show(true);
  }

  let before = 0;

  function frame(now) {
    const n = Object.values(SPEEDS)[speed.selectedIndex];
    if (n > 0 || now - before > (n === null ? Number(pace.value) : 1000)) {
      before = now;
      if (!(n === null ? op() : onward(Math.max(1, n)))) {
        return;
      }
    }
    timer = requestAnimationFrame(frame);
  }

  function toggle() {
    if (timer !== null) {
      pause();
      return;
    }
    go.textContent = "Pause";
    run = null;
    quiet(true);
    timer = requestAnimationFrame(frame);
  }

  rate.addEventListener("input", () => {
    if (rate.valueAsNumber > 0) {
      state.rate = rate.valueAsNumber;
    }
  });
  rule.addEventListener("input", () => training.choose(rule.value));
  [rate, rule, speed].forEach(elements.alone);

  const hint = plane ? [make("p", { class: "meta" }, `${plane.some}Drag a point to move it${plane.graded ? "; its colour is its answer" : ", click it to give it another class"}. ${plane.able
    ? `Click beside them to add one; drag one out, or click it with Shift, to take it away. With keys: arrows, ${plane.graded ? "" : "Enter, "}Insert, Delete.`
    : `How many there are is fixed: ${training.data.answers.fixed}.`}`)] : [];
  const sheet = make(
    "aside",
    { id: "training", class: "sheet", "aria-label": "Training" },
    make("div", { class: "buttons" }, next, one, go, speed),
    make("div", { class: "settings" }, make("label", {}, "Learning rate ", rate), make("label", {}, "Optimiser ", rule)),
    ...(training.data.note ? [make("p", { class: "meta" }, `It trains on ${training.data.note}`)] : []),
    status,
    chart,
    compared.planes,
    ...hint,
    compared.element,
    ...(training.pad ? [training.pad.element, training.pad.tools] : []),
    ...(training.data.answers?.picture && !training.pad ? [make("p", { class: "meta" }, training.unforetold)] : []),
    units,
    ...(breaker ? [breaker] : []),
    slopes.element,
  );
  tabs.add("Train", sheet);
  tabs.open("Train");
  document.addEventListener("restart", () => {
    within = false;
    if (timer !== null) {
      pause();
    }
  });
  new MutationObserver(() => {
    if (within) {
      tell();
      curve();
    }
  }).observe(document.body, { attributeFilter: ["data-step"] });
  document.getElementById("theme").addEventListener("click", draw);
  live.listen((settled) => {
    draw();
    if (settled) {
      slopes.draw();
    }
  });
  // All of both passes is there from the beginning.
  slider.value = slider.max;
  slider.dispatchEvent(new Event("input"));
  lesson?.again(); // unless it says another step
  if (live.slow()) {
    live.beside(draw);
  } else {
    live.run();
    draw();
  }
  return { advance, pause };
})();
