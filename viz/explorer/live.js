"use strict";

/** The graph computed in the page: its inputs may be changed, and all that follows is new. */
const live = (() => {
  const { nodes } = story;
  const { memory, start, lay, spot } = held;
  const { compute } = runner;
  const KEPT = 5_000_000; // numbers that changes hold
  const done = []; // changes, the last one last: each with `back`, which takes it back
  const planted = {}; // by the name of its switch: which mistake a rule has
  let edit = null; // a change that is going on

  // --- numbers -----------------------------------------------------------------------------------

  /** Give a number of an input another value, or several theirs; the change goes on until it is settled. */
  function change(name, at, to) {
    const [cells, after] = [[at].flat(), [to].flat()];
    if (edit === null || edit.name !== name || String(edit.cells) !== String(cells)) {
      settle();
      const before = cells.map((i) => memory[name][i]);
      edit = { name, cells, before, back: () => cells.forEach((i, k) => (memory[name][i] = before[k])) };
    }
    cells.forEach((i, k) => (memory[name][i] = after[k]));
    edit.after = after;
    compute(false);
  }

  /** A change is done: it can be undone from now on. */
  function settle() {
    const last = edit;
    edit = null;
    if (last?.before.some((v, k) => !Object.is(v, last.after[k]))) {
      done.push(last);
      compute(true);
    } else if (last) {
      runner.show(true); // it is what it was
    }
  }

  function set(name, i, value) {
    change(name, i, value);
    settle();
  }

  // --- the number of examples --------------------------------------------------------------------

  /** Take an example away, or add one: `column` gives its numbers, of all that has some for each. */
  function renew(n, column) {
    settle();
    const { given } = held.data().many;
    const m = held.m();
    const before = Object.fromEntries(Object.keys(given).map((name) => [name, memory[name].slice()]));
    lay(n, Object.fromEntries(Object.entries(given).map(([name, shared]) => {
      const each = before[name].length / m;
      const part = shared ? m / n : 1; // shares of a whole
      const x = new Float64Array(each * n);
      for (let j = 0; j < n; j += 1) {
        for (let row = 0; row < each; row += 1) {
          x[spot(row, j, n, each)] = part * column(name, row, j, (k) => before[name][spot(row, k, m, each)]);
        }
      }
      return [name, x];
    })));
    done.push({ back: () => lay(m, before) });
    compute(true);
  }

  /** One example more, the last one; `column` gives its numbers by name and row, what it lacks is like those of example k. */
  const add = (column, k) => {
    const m = held.m();
    renew(m + 1, (name, row, j, of) => (j < m ? of(j) : (column[name]?.[row] ?? of(k))));
  };

  /** One example less; the last one stays. */
  const remove = (k) => {
    const m = held.m();
    if (m > 1) {
      renew(m - 1, (name, row, j, of) => of(j < k ? j : j + 1));
    }
  };

  // --- mistakes ----------------------------------------------------------------------------------

  /** The rule that has this switch has mistake number k from now on; 0 for none. */
  function turn(name, k) {
    planted[name] = k;
    const form = Object.values(planted).some((one) => one > 0) ? story.broken : story.live;
    if (form !== held.data()) {
      lay(held.m(), {}, form);
    }
    memory[name]?.fill(k);
  }

  function plant(name, k) {
    settle();
    const before = planted[name] ?? 0;
    if (before !== k) {
      done.push({ back: () => turn(name, before) });
      turn(name, k);
      compute(true);
    }
  }

  // --- back --------------------------------------------------------------------------------------

  /** Something else is done, which `back` takes back and `words` tell; of so many numbers the latest stay. */
  function did(change) {
    done.push(change);
    let size = done.reduce((sum, one) => sum + (one.size ?? 0), 0);
    while (size > KEPT && done.length > 1) {
      size -= done.shift().size ?? 0;
    }
  }

  function undo() {
    settle();
    const last = done.pop();
    if (last) {
      last.back();
      compute(true);
    }
  }

  /** Everything as it was recorded, bit for bit; mistakes stay, as they are no numbers. */
  function reset() {
    edit = null;
    done.length = 0;
    const { many } = held.data();
    if (many && held.m() !== many.m) {
      lay(many.m, start);
    }
    Object.keys(story.live.inputs).forEach((name) => memory[name].set(start[name]));
    document.dispatchEvent(new CustomEvent("restart"));
    compute(true, () => (held.data() === story.live ? runner.restore() : runner.show(true)));
  }

  return {
    ...held,
    ...runner,
    get data() {
      return held.data();
    },
    why: story.live.why,
    change,
    settle,
    set,
    undo,
    reset,
    plant,
    did,
    done: () => done.at(-1) ?? null,
    planted: (name) => planted[name] ?? 0,
    add,
    remove,
    undoable: () => done.length > 0 || edit !== null,
    latest: () => edit ?? done.at(-1) ?? null,
    title: (id) => nodes[id].name || nodes[id].title,
  };
})();
