"use strict";

/** Training in the page: the recorded cost and gradients, an update rule, the costs so far. */
const training = (() => {
  const { training: data } = story;
  const { memory } = live;
  const LONGEST = 600; // costs that are kept; of more every second one goes
  const MOMENTUM = 0.9;
  const [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-8];
  const parameters = data.parameters.map(({ name, gradient, shape }) => {
    const g = memory[name].slice();
    g.shape = shape;
    return { name, p: memory[name], gradient, g };
  });
  document.addEventListener("laid", () => parameters.forEach((one) => (one.p = memory[one.name])));
  const cost = new Float64Array(1);
  cost.shape = story.arrays[data.cost].shape; // [], or all ones
  /** A run: its rule with what that remembers, and the costs so far, [step, cost]. */
  function begin({ rate, optimiser }) {
    const empty = () => parameters.map(({ p }) => p.slice().fill(0)); // of its dtype
    return { rate, optimiser, steps: 0, t: 0, curve: [], every: 1, v: empty(), s: empty() };
  }

  const state = begin(data); // the run that the page shows
  let second = null; // one beside it, from its own start
  let before = []; // the curve of the run before, once one began anew

  /** The gradient of a parameter. */
  const slope = (one) => live.gather(live.data.places[one.gradient], one.g);

  const read = () => live.gather(live.data.places[data.cost], cost)[0];

  /** How the rules of tinygrad_dnn.optim change element i of a parameter p of gradient g. */
  const rules = {
    "gradient descent": ({ rate }) => (p, g, v, s, i) => {
      p[i] -= g[i] * rate;
    },
    momentum: ({ rate }) => (p, g, v, s, i) => {
      v[i] = MOMENTUM * v[i] + g[i];
      p[i] -= v[i] * rate;
    },
    adam: ({ rate, t }) => {
      const root = Math.sqrt(-Math.expm1(t * Math.log(BETA2)));
      const scaled = (root / -Math.expm1(t * Math.log(BETA1))) * rate;
      return (p, g, v, s, i) => {
        v[i] += (1 - BETA1) * (g[i] - v[i]);
        s[i] = BETA2 * s[i] + (1 - BETA2) * g[i] * g[i];
        p[i] -= (v[i] / (Math.sqrt(s[i]) + EPSILON * root)) * scaled;
      };
    },
  };

  /** Every parameter a step down, along the gradients that are there. */
  function update(run = state) {
    note(run, read());
    run.t += 1;
    run.steps += 1;
    const rule = rules[run.optimiser](run);
    parameters.forEach((one, k) => {
      slope(one);
      for (let i = 0; i < one.p.length; i += 1) {
        rule(one.p, one.g, run.v[k], run.s[k], i);
      }
    });
  }

  /** Keep a cost for the curve. */
  function note(run, value) {
    if (run.steps % run.every === 0) {
      run.curve.push([run.steps, value]);
      if (run.curve.length > LONGEST) {
        run.every *= 2;
        run.curve = run.curve.filter(([at]) => at % run.every === 0);
      }
    }
  }

  /** A step of the second run; the parameters of the first stand again afterwards. */
  function follow() {
    if (second !== null) {
      const kept = parameters.map(({ p }) => p.slice());
      parameters.forEach(({ p }, k) => p.set(second.own[k]));
      program.run();
      update(second);
      parameters.forEach(({ p }, k) => {
        second.own[k].set(p);
        p.set(kept[k]);
      });
    }
  }

  /** A second run on the same data: from its own start, one array for each parameter; null ends it. */
  function compare(start, how = state) {
    second = start && { ...begin(how), start, own: start.map((x) => x.slice()) };
  }

  /** Take up to n steps, within so many milliseconds. */
  function steps(n, within = Infinity) {
    const since = performance.now();
    for (let k = 0; k < n && (k === 0 || performance.now() - since < within); k += 1) {
      follow();
      program.run();
      update();
    }
    live.run();
  }

  const { answers } = data;
  const out = answers && new Float64Array(answers.classes * answers.batch);

  /** What is predicted for inputs that `fill` writes, with the parameters of a run: by class and example. */
  function predicted(fill, run = state) {
    for (const [name, own] of Object.entries(answers.shared)) {
      const k = parameters.findIndex((one) => one.name === name);
      const there = run === second && k >= 0 ? second.own[k] : memory[name];
      if (there?.length === predictor.memory[own].length) { // what has a number for each example stays
        predictor.memory[own].set(there);
      }
    }
    fill(predictor.memory[answers.points]);
    predictor.run();
    live.gather(answers.out, out, predictor.memory);
    return answers.squashed ? squash(out) : out;
  }

  /** Logits become shares of 1: by a sigmoid, of several classes by softmax. */
  function squash(z) {
    const { classes, batch } = answers;
    for (let j = 0; j < batch; j += 1) {
      const at = Array.from({ length: classes }, (_, k) => live.spot(k, j, batch, classes));
      const most = classes === 1 ? 0 : Math.max(...at.map((k) => z[k]));
      const sum = at.reduce((all, k) => all + Math.exp(z[k] - most), 0);
      at.forEach((k) => (z[k] = classes === 1 ? 1 / (1 + Math.exp(-z[k])) : Math.exp(z[k] - most) / sum));
    }
    return z;
  }

  if (answers) {
    out.shape = answers.shape;
    for (const [name, text] of Object.entries(answers.constants)) {
      predictor.memory[name].set(numbers.decode({ data: text, size: predictor.memory[name].length }));
    }
  }

  /** What a rule remembers is of another way, once the rule is another. */
  function choose(optimiser, run = state) {
    Object.assign(run, begin({ ...run, optimiser }), { steps: run.steps, curve: run.curve, every: run.every });
  }

  /** All that steps change, as it is: `back` brings it back; rates and rules that were chosen since stay. */
  function mark() {
    const before = parameters.map(({ p }) => p.slice());
    const runs = [state, second].filter(Boolean).map((run) => [run, structuredClone(run)]);
    const back = () => {
      parameters.forEach(({ p }, k) => p.set(before[k]));
      for (const [run, was] of runs) {
        const { rate, optimiser } = run;
        Object.assign(run, was, { rate });
        if (optimiser !== was.optimiser) {
          choose(optimiser, run);
        }
      }
    };
    return { back, size: (1 + 3 * runs.length) * before.reduce((sum, x) => sum + x.length, 0) };
  }

  document.addEventListener("restart", () => {
    before = state.curve.length > 1 ? state.curve : before;
    Object.assign(state, begin(state));
    if (second !== null) {
      compare(second.start, second);
    }
  });

  return {
    data,
    state,
    parameters,
    steps,
    update,
    follow,
    mark,
    compare,
    choose,
    predicted,
    slope,
    before: () => before,
    second: () => second,
    rules: Object.keys(rules),
    cost: read,
    curve: (known) => (known ? [...state.curve, [state.steps, read()]] : state.curve),
    unforetold: "What is predicted hangs on the other examples too, or on an example's place among them: of new ones nothing is foretold.",
    pad: null, // training-pad.js, where columns of X are pictures
  };
})();
