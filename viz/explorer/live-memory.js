"use strict";

/** Where the program holds the numbers of the page, and what they were when they were recorded. */
const held = (() => {
  const { arrays, nodes } = story;
  const MANY = 300_000; // numbers from which on the first run is not tried in a frame
  const SHOWN = 10_000; // numbers of an array that the page computes and shows, where it holds statistics
  const on = story.live.why === "";
  let data = story.live; // of the program that runs: the right one, or the one with mistakes
  let m = data.many?.m ?? null; // the number of examples, where it may be another one
  const memory = on ? { ...program.memory } : {};
  const recorded = []; // the numbers of the page as they were recorded, by array
  const values = []; // and as they are
  const computed = []; // what the program gives for the recorded inputs: its last bits are its own
  const told = []; // their statistics as they were recorded
  const start = {}; // the inputs' memory as it was recorded
  const inputs = {}; // by node: the name of its memory
  const large = Object.values(memory).reduce((sum, one) => sum + one.length, 0) > MANY;

  /** Numbers that lie in a text: base64 of little-endian float64. */
  const unpack = (text, size) => numbers.decode({ data: text, size });

  /** Where number `row` of example j lies in an array of n examples with `each` numbers. */
  const spot = (row, j, n, each) => (story.training?.rows ? j * each + row : row * n + j);

  /** A number that is written as a·m + b. */
  const at = (v) => (Array.isArray(v) ? v[0] * m + v[1] : v);

  /** α·mᵏ, rounded as the division by m is that was recorded. */
  const power = ([alpha, k]) => (k < 0 ? alpha / m : alpha * m ** k);

  /** The inputs of the program that runs; those that only the one with mistakes has are switches. */
  const names = () => Object.keys({ ...story.live.inputs, ...data.inputs });

  /** What never changes: numbers, or α·mᵏ everywhere. */
  function fix() {
    for (const [name, one] of Object.entries(data.constants)) {
      if (Array.isArray(one)) {
        memory[name].fill(power(one));
      } else {
        memory[name].set(unpack(one, memory[name].length));
      }
    }
  }

  /** An array as it was recorded; of what is too large for the page only that is known which is the same everywhere. */
  function first(k) {
    const { stats, size } = arrays[k];
    const x = numbers.decode(arrays[k]) ?? new Float64Array(size).fill(stats.min === stats.max ? (stats.min ?? 0) : 0);
    x.shape = arrays[k].shape;
    return x;
  }

  /** Put what is recorded into the memory, and run the program where that takes no time. */
  function load() {
    fix();
    for (const [name, { node, array, data: text }] of Object.entries({ ...story.broken?.inputs, ...data.inputs })) {
      start[name] = (text === undefined ? numbers.decode(arrays[array]) : unpack(text, Math.floor((3 * text.length) / 32))).slice();
      memory[name]?.set(start[name]);
      if (node) {
        inputs[node] = name;
      }
    }
    if (!large) {
      program.run();
    }
    const all = { ...story.broken?.places, ...data.many?.still, ...data.places };
    for (const k of Object.keys(all)) { // some never change, as long as all rules are right
      values[k] = first(k);
      recorded[k] = values[k].slice();
      computed[k] = recorded[k];
      told[k] = arrays[k].stats;
    }
    for (const [k, place] of Object.entries(data.places)) {
      if (arrays[k].data === null && !large) {
        gather(place, values[k]);
        if (arrays[k].size <= SHOWN) {
          numbers.keep(arrays[k], values[k]);
        }
      }
      recorded[k] = values[k].slice();
      if (!large) {
        computed[k] = recorded[k].slice();
        computed[k].shape = arrays[k].shape;
        gather(place, computed[k]);
      }
    }
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

  /** In the memory lies what the program gave: where the inputs are the recorded ones, keep it as theirs. */
  function know() {
    if (Object.keys(story.live.inputs).every((name) => memory[name].every((v, i) => Object.is(v, start[name][i])))) {
      for (const [k, place] of Object.entries(data.places)) {
        computed[k] = gather(place, Object.assign(values[k].slice(), { shape: values[k].shape }));
      }
    }
  }

  // --- what is another than recorded -------------------------------------------------------------

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

  /** The page has what was computed; what is typical of an array is found once it is asked for. */
  function take(settled) {
    for (const [k, place] of Object.entries(data.places)) {
      gather(place, values[k]);
      if (settled && arrays[k].size > 1) {
        Object.assign(arrays[k], { stats: null, now: values[k] });
      }
    }
  }

  /** The page has what was recorded. */
  function restore() {
    for (const k of Object.keys(data.places)) {
      values[k].set(recorded[k]);
      arrays[k].stats = told[k];
    }
  }

  // --- another number of examples, or another program --------------------------------------------

  /** Lay everything out for a program and n examples; some inputs are given, all others stay. */
  function lay(n, given, form = data) {
    m = n;
    data = form;
    program = (form === story.live ? build : buildBroken)(n);
    const before = { ...memory };
    Object.keys(memory).forEach((name) => delete memory[name]);
    Object.assign(memory, program.memory);
    names().forEach((name) => memory[name].set(given[name] ?? before[name] ?? start[name]));
    fix();
    Object.keys(values).filter((k) => !(k in data.places) && !resized(k)).forEach((k) => values[k].set(recorded[k]));
    const { many } = data;
    for (const [k, words] of Object.entries(many?.shapes ?? {})) {
      arrays[k].shape = words.map(at);
      arrays[k].size = arrays[k].shape.reduce((one, other) => one * other, 1);
      values[k] = new Float64Array(arrays[k].size);
      values[k].shape = arrays[k].shape;
      if (k in many.still) {
        values[k].fill(arrays[k].dtype === "float32" ? Math.fround(power(many.still[k])) : power(many.still[k]));
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

  if (on) {
    load();
  }

  return {
    on, large, memory, values, recorded, start, inputs, names, gather, spot, same, resized, differs, know, take, restore, lay,
    data: () => data,
    m: () => m,
  };
})();
