"use strict";

/** The program is run: in a frame where it is quick, else beside the page, which goes on. */
const runner = (() => {
  const FRAME = 16; // milliseconds within which it computes while one drags
  const { memory } = held;
  const listeners = [];
  let cost = held.large ? Infinity : 0; // milliseconds of a run
  let worker = null;
  let waiting = false; // for a frame
  let asked = 0; // runs, of which the last one counts
  let first = held.large; // answer of a worker, before which nothing was run

  const slow = () => cost > FRAME;

  /** What the page shows becomes what was computed. */
  function show(settled) {
    held.take(settled);
    listeners.forEach((listen) => listen(settled));
  }

  /** What the page shows becomes what was recorded. */
  function restore() {
    held.restore();
    listeners.forEach((listen) => listen(true));
  }

  /** Run the program here; what it takes decides when it runs next. Older answers come too late. */
  function run() {
    asked += 1;
    delete document.body.dataset.busy;
    const begin = performance.now();
    program.run();
    cost = Math.min(0.5 * cost + 0.5 * (performance.now() - begin), performance.now() - begin);
  }

  /** The program in a worker, with what never changes. */
  function begin() {
    const answer = `onmessage = ({ data: { given, wanted } }) => {
      Object.entries(given).forEach(([name, x]) => program.memory[name].set(x));
      if (wanted > 0) {
        const begin = performance.now();
        program.run();
        postMessage({ found: program.memory, wanted, took: performance.now() - begin });
      }
    };`;
    const [source, wrong] = ["source", "broken"].map((id) => document.getElementById(id).textContent);
    const text = new Blob([source, wrong, `program = ${held.data() === story.live ? "build" : "buildBroken"}(${held.m()});`, answer]);
    worker = new Worker(URL.createObjectURL(text));
    send(Object.keys(held.data().constants), 0);
  }

  const send = (names, wanted) => worker.postMessage({ given: Object.fromEntries(names.map((name) => [name, memory[name]])), wanted });

  /** Run it beside the page, which is busy; of several answers the last one counts. */
  function beside(then) {
    document.body.dataset.busy = "true";
    if (worker === null) {
      begin();
    }
    asked += 1;
    worker.onmessage = ({ data: { found, wanted, took } }) => {
      cost = took; // from now on in a frame, if it fits
      if (wanted === asked) {
        // What is given may have been changed meanwhile: it stays.
        Object.entries(found).filter(([name]) => !(name in story.live.inputs)).forEach(([name, x]) => memory[name].set(x));
        if (first) {
          held.know();
          first = false;
        }
        delete document.body.dataset.busy;
        then();
      }
    };
    send(held.names(), asked);
  }

  /** After a change of an input: compute, while one drags only where that takes less than a frame. */
  function compute(settled, then = () => show(settled)) {
    if (slow()) {
      if (settled) {
        beside(then);
      }
    } else if (settled) {
      waiting = false;
      run();
      then();
    } else if (!waiting) {
      waiting = true;
      requestAnimationFrame(() => {
        if (waiting) {
          waiting = false;
          run();
          then();
        }
      });
    }
  }

  document.addEventListener("laid", () => {
    worker?.terminate();
    worker = null;
  });
  if (held.on && slow()) {
    beside(() => undefined); // how long does it take?
  }

  return {
    run, beside, show, restore, compute, slow,
    took: () => cost,
    busy: () => "busy" in document.body.dataset,
    listen: (listener) => listeners.push(listener),
  };
})();
