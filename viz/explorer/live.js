"use strict";

/** The graph computed in the page: its inputs may be changed, and all that follows is new. */
const live = (() => {
  const { arrays, nodes } = story;
  let data = story.live; // of the program that runs: the right one, or the one with mistakes
  const FRAME = 16; // milliseconds within which it computes while one drags
  const MANY = 300_000; // numbers from which on the first run is not tried in a frame
  const SHOWN = 10_000; // numbers of an array that the page computes and shows, where it holds statistics
  const on = data.why === "";
  let m = data.many?.m ?? null; // the number of examples, where it may be another one
  const memory = on ? { ...program.memory } : {};
  const recorded = []; // the numbers of the page as they were recorded, by array
  const values = []; // and as they are
  const computed = []; // what the program gives for the recorded inputs: its last bits are its own
  const told = []; // their statistics as they were recorded
  const start = {}; // the inputs' memory as it was recorded
  const inputs = {}; // by node: the name of its memory
  const done = []; // changes, the last one last
  const planted = {}; // by the name of its switch: which mistake a rule has
  const listeners = [];
  let edit = null; // a change that is going on
  let cost = Object.values(memory).reduce((sum, one) => sum + one.length, 0) > MANY ? Infinity : 0;
  let worker = null;
  let waiting = false;
  let asked = 0;

  /** Numbers that lie in a text: base64 of little-endian float64. */
  const unpack = (text, size) => numbers.decode({ data: text, size });

  /** A number that is written as a·m + b. */
  const at = (v) => (Array.isArray(v) ? v[0] * m + v[1] : v);

  /** What never changes: numbers, or α·mᵏ everywhere. */
  function fix() {
    for (const [name, one] of Object.entries(data.constants)) {
      if (Array.isArray(one)) {
        memory[name].fill(one[0] * m ** one[1]);
      } else {
        memory[name].set(unpack(one, memory[name].length));
      }
    }
  }

  function load() {
    fix();
    for (const [name, { node, array, data: text }] of Object.entries({ ...story.broken?.inputs, ...data.inputs })) {
      start[name] = (text === undefined ? numbers.decode(arrays[array]) : unpack(text, Math.floor((3 * text.length) / 32))).slice();
      memory[name]?.set(start[name]);
      if (node) {
        inputs[node] = name;
      }
    }
    if (cost === 0) {
      program.run();
    }
    const all = { ...story.broken?.places, ...data.many?.still, ...data.places };
    for (const k of Object.keys(all)) { // some never change, as long as all rules are right
      values[k] = numbers.decode(arrays[k]) ?? new Float64Array(arrays[k].size);
      values[k].shape = arrays[k].shape;
      recorded[k] = values[k].slice();
      computed[k] = recorded[k];
      told[k] = arrays[k].stats;
    }
    for (const [k, place] of Object.entries(data.places)) {
      if (arrays[k].data === null && cost === 0) {
        gather(place, values[k]);
        if (arrays[k].size <= SHOWN) {
          numbers.keep(arrays[k], values[k]);
        }
      }
      recorded[k] = values[k].slice();
      if (cost === 0) {
        computed[k] = recorded[k].slice();
        computed[k].shape = arrays[k].shape;
        gather(place, computed[k]);
      }
    }
  }

  /** Whether an array has other numbers than recorded, as there are more examples or less. */
  const resized = (k) => values[k].length !== recorded[k].length;

  /** Whether a number is what it was before anything was changed. */
  const same = (k, i) => resized(k) || Object.is(values[k][i], recorded[k][i]) || Object.is(values[k][i], computed[k][i]);

  /** Whether any number of an array is another one; a loop, as it runs over all of the page in each frame. */
  function differs(k) {
    const [now, before, own] = [values[k], recorded[k], computed[k]];
    if (now === undefined || resized(k)) {
      return false;
    }
    for (let i = 0; i < now.length; i += 1) {
      if (now[i] !== before[i] && now[i] !== own[i] && !same(k, i)) {
        return true;
      }
    }
    return false;
  }

  /** Put what lies in a place of the memory into an array. */
  function gather(place, into, source = memory) {
    if (typeof place === "string") {
      into.set(source[place].subarray(0, into.length));
      return into;
    }
    const [name, offset, strides] = place;
    const from = source[name];
    const steps = strides.map(at);
    const walk = (axis, place, out) => {
      if (axis === steps.length) {
        into[out] = from[place];
        return out + 1;
      }
      let next = out;
      for (let i = 0; i < into.shape[axis]; i += 1) {
        next = walk(axis + 1, place + i * steps[axis], next);
      }
      return next;
    };
    walk(0, at(offset), 0);
    return into;
  }

  /** What the page shows becomes what was computed. */
  function show(settled) {
    for (const [k, place] of Object.entries(data.places)) {
      gather(place, values[k]);
      if (settled && arrays[k].size > 1) {
        Object.assign(arrays[k], { stats: null, now: values[k] }); // what is typical of them now, once it is asked for
      }
    }
    listeners.forEach((listen) => listen(settled));
  }

  // --- computing ---------------------------------------------------------------------------------

  /** Run the program here; what it takes decides when it runs next. Older answers come too late. */
  function run() {
    asked += 1;
    delete document.body.dataset.busy;
    const begin = performance.now();
    program.run();
    cost = Math.min(0.5 * cost + 0.5 * (performance.now() - begin), performance.now() - begin);
  }

  /** Run it beside the page, which goes on and is busy; of several answers the last one counts. */
  function beside(then) {
    document.body.dataset.busy = "true";
    const send = (names, wanted) => worker.postMessage({ given: Object.fromEntries(names.map((name) => [name, memory[name]])), wanted });
    if (worker === null) {
      const answer = `onmessage = ({ data: { given, wanted } }) => {
        Object.entries(given).forEach(([name, x]) => program.memory[name].set(x));
        if (wanted > 0) {
          const begin = performance.now();
          program.run();
          postMessage({ found: program.memory, wanted, took: performance.now() - begin });
        }
      };`;
      const [source, wrong] = ["source", "broken"].map((id) => document.getElementById(id).textContent);
      const text = new Blob([source, wrong, `program = ${data === story.live ? "build" : "buildBroken"}(${m});`, answer]);
      worker = new Worker(URL.createObjectURL(text));
      send(Object.keys(data.constants), 0);
    }
    asked += 1;
    worker.onmessage = ({ data: { found, wanted, took } }) => {
      cost = took; // from now on in a frame, if it fits
      if (wanted === asked) {
        // What is given may have been changed meanwhile: it stays.
        Object.entries(found).filter(([name]) => !(name in story.live.inputs)).forEach(([name, x]) => memory[name].set(x));
        delete document.body.dataset.busy;
        then();
      }
    };
    send(Object.keys({ ...story.live.inputs, ...data.inputs }), asked);
  }

  const slow = () => cost > FRAME;

  /** After a change of an input: compute, while one drags only where that takes less than a frame. */
  function compute(settled) {
    if (!slow()) {
      if (settled) {
        waiting = false;
        run();
        show(true);
      } else if (!waiting) {
        waiting = true;
        requestAnimationFrame(() => {
          if (waiting) {
            waiting = false;
            run();
            show(false);
          }
        });
      }
    } else if (settled) {
      beside(() => show(true));
    }
  }

  // --- changes -----------------------------------------------------------------------------------

  /** Give a number of an input another value; the change goes on until it is settled. */
  function change(name, i, value) {
    if (edit === null || edit.name !== name || edit.i !== i) {
      settle();
      edit = { name, i, before: memory[name][i] };
    }
    memory[name][i] = value;
    edit.after = value;
    compute(false);
  }

  /** A change is done: it can be undone from now on. */
  function settle() {
    if (edit !== null && !Object.is(edit.before, edit.after)) {
      done.push(edit);
      edit = null;
      compute(true);
    }
    edit = null;
  }

  function set(name, i, value) {
    change(name, i, value);
    settle();
  }

  // --- the number of examples --------------------------------------------------------------------

  /** Lay everything out for a program and n examples; X and Y are given, all other inputs stay. */
  function lay(n, given, form = data) {
    m = n;
    data = form;
    program = (form === story.live ? build : buildBroken)(n);
    const before = { ...memory };
    Object.keys(memory).forEach((name) => delete memory[name]);
    Object.assign(memory, program.memory);
    for (const name of Object.keys({ ...story.live.inputs, ...data.inputs })) {
      const kept = name in story.live.inputs ? before[name] : start[name];
      memory[name].set(given[name] ?? kept);
    }
    Object.entries(planted).forEach(([name, k]) => memory[name]?.fill(k));
    fix();
    worker?.terminate();
    worker = null;
    Object.keys(values).filter((k) => !(k in data.places) && !resized(k)).forEach((k) => values[k].set(recorded[k]));
    const { many } = data;
    for (const [k, words] of Object.entries(many?.shapes ?? {})) {
      arrays[k].shape = words.map(at);
      arrays[k].size = arrays[k].shape.reduce((one, other) => one * other, 1);
      values[k] = new Float64Array(arrays[k].size);
      values[k].shape = arrays[k].shape;
      if (k in many.still) {
        values[k].fill(many.still[k][0] * m ** many.still[k][1]);
      }
      if (arrays[k].data !== null) {
        numbers.keep(arrays[k], values[k]);
      }
    }
    for (const [id, words] of Object.entries(many?.nodes ?? {})) {
      nodes[id].shape = words.map(at);
    }
    document.dispatchEvent(new CustomEvent("laid"));
  }

  /** X and Y as they are, by the names of their memory. */
  const examples = () => Object.fromEntries([data.many.X, data.many.Y].map((name) => [name, memory[name].slice()]));

  /** Take an example away, or add one: the numbers of its columns of X and Y. */
  function renew(n, column) {
    settle();
    const before = { m, given: examples() };
    const given = Object.fromEntries(Object.entries(before.given).map(([name, x]) => {
      const rows = x.length / m;
      return [name, Float64Array.from({ length: rows * n }, (_, i) => column(name, Math.floor(i / n), i % n, x))];
    }));
    lay(n, given);
    done.push({ examples: before });
    compute(true);
  }

  /** Make mistake number k in the rule that has this switch; 0 for none. */
  function plant(name, k) {
    settle();
    planted[name] = k;
    const form = Object.values(planted).some((one) => one > 0) ? story.broken : story.live;
    if (form !== data) {
      lay(m, {}, form);
    }
    memory[name]?.fill(k);
    compute(true);
  }

  /** One example more, the last one; `column` gives its numbers by name and row. */
  const add = (column) => renew(m + 1, (name, row, j, x) => (j < m ? x[row * m + j] : column[name][row]));

  /** One example less; the last one stays. */
  const remove = (k) => m > 1 && renew(m - 1, (name, row, j, x) => x[row * m + j + (j >= k ? 1 : 0)]);

  function undo() {
    settle();
    const last = done.pop();
    if (last?.examples) {
      lay(last.examples.m, last.examples.given);
      compute(true);
    } else if (last) {
      memory[last.name][last.i] = last.before;
      compute(true);
    }
  }

  /** Everything as it was recorded, bit for bit. */
  function reset() {
    edit = null;
    done.length = 0;
    if (data.many && m !== data.many.m) {
      lay(data.many.m, start);
    }
    Object.keys(story.live.inputs).forEach((name) => memory[name].set(start[name])); // mistakes stay
    document.dispatchEvent(new CustomEvent("restart"));
    const restored = () => {
      if (data !== story.live) {
        show(true);
        return;
      }
      for (const k of Object.keys(data.places)) {
        values[k].set(recorded[k]);
        arrays[k].stats = told[k];
      }
      listeners.forEach((listen) => listen(true));
    };
    if (slow()) {
      beside(restored);
    } else {
      run();
      restored();
    }
  }

  if (on) {
    load();
    if (slow()) {
      beside(() => undefined); // how long does it take?
    }
  }

  return {
    on,
    get data() {
      return data;
    },
    why: data.why,
    inputs,
    memory,
    values,
    recorded,
    same,
    resized,
    differs,
    gather,
    run,
    beside,
    show,
    compute,
    change,
    settle,
    set,
    undo,
    reset,
    slow,
    busy: () => "busy" in document.body.dataset,
    plant,
    add,
    remove,
    m: () => m,
    undoable: () => done.length > 0 || edit !== null,
    latest: () => edit ?? done.at(-1) ?? null,
    title: (id) => nodes[id].name || nodes[id].title,
    listen: (listener) => listeners.push(listener),
  };
})();
