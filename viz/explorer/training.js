"use strict";

/** Training in the page: the recorded cost and gradients, an update rule, the costs so far. */
const training = (() => {
  const { training: data } = story;
  const { memory } = live;
  const LONGEST = 600; // costs that are kept; of more every second one goes
  const MOMENTUM = 0.9;
  const [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-8];
  const parameters = data.parameters.map(({ name, gradient }) => {
    const p = memory[name];
    return { name, p, gradient, mistake: "none", g: new Float64Array(p.length), v: new Float64Array(p.length), s: new Float64Array(p.length) };
  });
  parameters.forEach(({ g }, k) => (g.shape = data.parameters[k].shape));
  document.addEventListener("laid", () => parameters.forEach((one) => (one.p = memory[one.name])));
  const examples = () => live.m() ?? data.examples;
  const cost = new Float64Array(1);
  cost.shape = [];
  const state = { steps: 0, rate: data.rate, optimiser: data.optimiser };
  let t = 0; // steps of Adam since it began
  let curve = []; // [step, cost]
  let every = 1;

  let before = []; // the curve of the run before, once one began anew

  // Classic mistakes, as a hand-written backward pass has them.
  const mistakes = {
    "none": (g) => g,
    "sign forgotten": (g) => g.map((v) => -v),
    "1/m forgotten": (g) => g.map((v) => v * examples()),
    "sum forgotten: the first row alone": (g) => g.map((v, i) => (i < g.shape.at(-1) ? v : 0)),
    "transpose forgotten": (g) => {
      const [rows, columns] = g.shape;
      return g.map((_, i) => g[(i % rows) * columns + Math.floor(i / rows)]);
    },
  };
  const applies = ({ g }, name) => name.startsWith("transpose") || name.startsWith("sum") ? g.shape.length === 2 && g.shape[0] > 1 && g.length > g.shape[0] : !name.startsWith("1/m") || examples() > 1;

  /** The gradient of a parameter as the rules get it: with the mistake that was planted in it. */
  function slope(one) {
    live.gather(live.data.places[one.gradient], one.g);
    if (one.mistake !== "none") {
      one.g.set(mistakes[one.mistake](one.g));
    }
    return one.g;
  }

  const read = () => live.gather(live.data.places[data.cost], cost)[0];

  /** How the rules of tinygrad_dnn.optim change a parameter; each gives the function of one element. */
  const rules = {
    "gradient descent": () => (one, i) => {
      one.p[i] -= one.g[i] * state.rate;
    },
    momentum: () => (one, i) => {
      one.v[i] = MOMENTUM * one.v[i] + one.g[i];
      one.p[i] -= one.v[i] * state.rate;
    },
    adam: () => {
      const root = Math.sqrt(-Math.expm1(t * Math.log(BETA2)));
      const rate = (root / -Math.expm1(t * Math.log(BETA1))) * state.rate;
      return (one, i) => {
        one.v[i] += (1 - BETA1) * (one.g[i] - one.v[i]);
        one.s[i] = BETA2 * one.s[i] + (1 - BETA2) * one.g[i] * one.g[i];
        one.p[i] -= (one.v[i] / (Math.sqrt(one.s[i]) + EPSILON * root)) * rate;
      };
    },
  };

  /** Every parameter a step down, along the gradients that are there. */
  function update() {
    note(read());
    t += 1;
    state.steps += 1;
    const rule = rules[state.optimiser]();
    for (const one of parameters) {
      slope(one);
      for (let i = 0; i < one.p.length; i += 1) {
        rule(one, i);
      }
    }
  }

  /** Keep a cost for the curve. */
  function note(value) {
    if (state.steps % every === 0) {
      curve.push([state.steps, value]);
      if (curve.length > LONGEST) {
        every *= 2;
        curve = curve.filter(([at]) => at % every === 0);
      }
    }
  }

  /** Take up to n steps, within so many milliseconds. */
  function steps(n, within = Infinity) {
    const begin = performance.now();
    for (let k = 0; k < n && (k === 0 || performance.now() - begin < within); k += 1) {
      program.run();
      update();
    }
    live.run();
  }

  const { answers } = data;
  const out = answers && new Float64Array(answers.shape[0] * answers.shape[1]);

  /** What is predicted for inputs that `fill` writes, with the parameters as they are: by class and example. */
  function predicted(fill) {
    for (const [name, own] of Object.entries(answers.shared)) {
      if (memory[name]) {
        predictor.memory[own].set(memory[name]);
      }
    }
    fill(predictor.memory[answers.points]);
    predictor.run();
    return live.gather(answers.out, out, predictor.memory);
  }

  if (answers) {
    out.shape = answers.shape;
    for (const [name, text] of Object.entries(answers.constants)) {
      predictor.memory[name].set(numbers.decode({ data: text, size: predictor.memory[name].length }));
    }
  }

  /** What the rules remember is of another way, once the rule is another. */
  function choose(optimiser) {
    state.optimiser = optimiser;
    forget();
  }

  function forget() {
    t = 0;
    parameters.forEach(({ v, s }) => {
      v.fill(0);
      s.fill(0);
    });
  }

  document.addEventListener("restart", () => {
    forget();
    before = curve.length > 1 ? curve : before;
    state.steps = 0;
    curve = [];
    every = 1;
  });

  return { data, state, parameters, update, steps, choose, predicted, slope, mistakes: (one) => Object.keys(mistakes).filter((name) => applies(one, name)), before: () => before, rules: Object.keys(rules), cost: read, curve: (known) => (known ? [...curve, [state.steps, read()]] : curve) };
})();
