"use strict";

/** The plane of the inputs: what is predicted everywhere, and the points, which can be moved. */
const plane = (() => {
  const { make, shape } = elements;
  const { answers: data } = training.data;
  if (data === null || data.picture !== null || (data.graded && data.classes > 1)) {
    return null; // several numbers have no one colour
  }
  const [LEAST, MOST] = [8, 48]; // cells along a side
  const BUDGET = 30; // milliseconds of a picture
  const SIDE = 320; // of the drawing, in units of its own
  const { graded } = data; // the answers are numbers, not classes
  const { classes, batch } = data; // so many places are predicted at once
  let X = null;
  let Y = null;
  let m = 0;
  const canvas = make("canvas", { "aria-hidden": "true" });
  const drawing = shape("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "group", "aria-label": "The points; arrows move one, Enter gives it another class, Insert adds one beside it, Delete takes it away" });
  const element = make("div", { class: graded ? "plane graded" : "plane" }, canvas, drawing);
  const FAR = 1e6; // of the drawing's units, which has no larger numbers
  const MANY = 800; // points that are shown
  const recorded = live.memory[data.X].length / 2; // examples
  const every = Math.ceil(recorded / MANY);
  let points = new Map(); // by example, those that are shown
  const able = live.m() !== null; // to add points and to take them away
  let chosen = 0; // the point that the Tab key reaches
  const UNLIKE = 5; // so many times as long as the other one: then each axis has its own scale
  let low = [0, 0]; // of both axes
  let high = [1, 1];
  let size = LEAST; // cells along a side, as many as there is time for

  /** The plane reaches a little further than the points. */
  function reach() {
    const ends = (x) => (x.length > 0 ? [x.reduce((a, b) => Math.min(a, b)), x.reduce((a, b) => Math.max(a, b))] : [-0.5, 0.5]);
    const each = [0, 1].map((row) => ends(Array.from({ length: m }, (_, j) => at(row, j)).filter(Number.isFinite)));
    const both = ends(each.flat());
    const [short, long] = each.map(([least, most]) => most - least).toSorted((a, b) => a - b);
    [low, high] = [0, 1].map((end) => each.map((own) => {
      const [least, most] = long > UNLIKE * short && short > 0 ? own : both;
      const margin = 0.15 * (most - least || 1);
      return end === 0 ? least - margin : most + margin;
    }));
  }

  /** An answer as −1 for the one end of what was recorded, 1 for the other. */
  const signed = (v) => (2 * (v - data.ends[0])) / (data.ends[1] - data.ends[0]) - 1;

  /** A coordinate of a point. */
  const at = (row, j) => X[live.spot(row, j, m, 2)];

  /** The class with the largest number, of n examples. */
  function likeliest(x, j, n) {
    let best = 0;
    for (let k = 1; k < classes; k += 1) {
      best = x[live.spot(k, j, n, classes)] > x[live.spot(best, j, n, classes)] ? k : best;
    }
    return best;
  }

  const place = (row, j) => (SIDE * (row === 0 ? at(0, j) - low[0] : high[1] - at(1, j))) / (high[row] - low[row]);
  const label = (j) => (graded ? 0 : data.labels ? Y[j] : classes === 1 ? Number(signed(Y[j]) > 0 !== data.turned) : likeliest(Y, j, m));

  /** Colours of the theme. */
  function rgb(...names) {
    const style = getComputedStyle(document.documentElement);
    return names.map((name) => {
      const text = style.getPropertyValue(`--${name}`).trim();
      return [1, 3, 5].map((i) => Number.parseInt(text.slice(i, i + 2), 16));
    });
  }

  /** Colours of the classes: the two ends of the heat maps, and more where there are more. */
  function colours() {
    return classes === 1 ? rgb("low", "high") : rgb("low", "high", "input-line", "param-line", "gradient-line");
  }

  /** Between two colours. */
  const mixed = (from, to, share) => from.map((v, k) => v + (to[k] - v) * share);

  /** What a run predicts at every cell, as many at a time as were recorded; nothing, where it hangs on the other points. */
  function paint(into = canvas, run = training.state) {
    if (!data.alone) {
      return;
    }
    const begin = performance.now();
    const cells = size * size;
    Object.assign(into, { width: size, height: size });
    const context = into.getContext("2d");
    const image = context.createImageData(size, size);
    const palette = colours();
    const [paper, problem] = rgb("paper", "problem-fill");
    for (let from = 0; from < cells; from += batch) {
      const out = training.predicted((given) => {
        for (let j = 0; j < batch; j += 1) {
          const cell = Math.min(from + j, cells - 1);
          given[live.spot(0, j, batch, 2)] = low[0] + (((cell % size) + 0.5) / size) * (high[0] - low[0]);
          given[live.spot(1, j, batch, 2)] = high[1] - ((Math.floor(cell / size) + 0.5) / size) * (high[1] - low[1]);
        }
      }, run);
      for (let j = 0; j < batch && from + j < cells; j += 1) {
        const [colour, share] = tint(out, j, palette);
        for (let k = 0; k < 3; k += 1) {
          image.data[4 * (from + j) + k] = Number.isNaN(share) ? problem[k] : mixed(paper, colour, share)[k];
        }
        image.data[4 * (from + j) + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    suit(performance.now() - begin, into, run);
  }

  /** So many cells next time that a picture is there soon; at once where there is time for more. */
  function suit(took, into, run) {
    const fitting = size * Math.sqrt(BUDGET / Math.max(took, 0.1));
    if (fitting < 0.7 * size) {
      size = Math.max(LEAST, Math.floor(fitting));
    } else if (size < MOST && fitting > 1.5 * size) {
      size = Math.min(MOST, Math.floor(fitting));
      paint(into, run);
    }
  }

  /** The colour of a prediction, and how sure it is. */
  function tint(out, j, palette) {
    if (classes === 1) {
      const v = signed(out[j]);
      return [palette[v < 0 ? 0 : 1], Math.min(1, Math.abs(v)) * 0.75];
    }
    const best = likeliest(out, j, batch);
    return [palette[best % palette.length], Math.max(0, Math.min(1, out[live.spot(best, j, batch, classes)])) * 0.75];
  }

  /** Put each point where it is, in the colour and the form of its class. */
  function draw() {
    const palette = colours();
    const [paper] = rgb("paper");
    points.forEach((point, j) => {
      const kind = label(j);
      const called = `point ${j}: ${numbers.short(at(0, j))}, ${numbers.short(at(1, j))}`;
      point.setAttribute("aria-label", graded ? `${called}, ${numbers.short(Y[j])}` : `${called}, class ${data.names[kind]}`);
      const [x, y] = [place(0, j), place(1, j)];
      point.toggleAttribute("hidden", !(Math.hypot(x, y) < FAR));
      if (point.hasAttribute("hidden")) {
        return;
      }
      const r = m > 60 ? 4 : 7;
      const forms = [
        `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0`,
        `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
        `M${x},${y - r - 1}l${r + 1},${2 * r}h${-2 * r - 2}z`,
      ];
      point.setAttribute("d", forms[kind % 3]);
      const fill = graded ? mixed(paper, ...tint(Y, j, palette)) : palette[kind % palette.length];
      point.setAttribute("fill", `rgb(${fill.join(" ")})`);
    });
  }

  /** The answer for an example of a class. */
  const answer = (kind) => (data.labels ? [kind] : Array.from({ length: classes }, (_, k) => data.ends[classes === 1 ? Number(data.turned) ^ kind : Number(k === kind)]));

  /** Give a point the next class. */
  function flip(j) {
    if (graded) {
      return; // there are no classes
    }
    const next = answer((label(j) + 1) % Math.max(2, classes));
    live.set(data.Y, next.map((_, k) => live.spot(k, j, m, next.length)), next);
  }

  /** One point more, of the class of the last one that was chosen. */
  function add(x, y) {
    const own = graded ? {} : { [data.Y]: answer(label(chosen)) };
    live.add({ [data.X]: [x, y].map((v) => Number(v.toPrecision(6))), ...own }, chosen);
    choose(m - 1);
  }

  function remove(j) {
    if (m > 1) {
      live.remove(j);
      choose(Math.min(j, m - 1));
    }
  }

  /** The place under a pointer. */
  function where({ clientX, clientY }) {
    const box = drawing.getBoundingClientRect();
    return [low[0] + ((clientX - box.left) / box.width) * (high[0] - low[0]), high[1] - ((clientY - box.top) / box.height) * (high[1] - low[1])];
  }

  /** Whether a pointer is beside the plane. */
  const outside = (event) => where(event).some((v, row) => v < low[row] || v > high[row]);

  function move(j, x, y) {
    live.change(data.X, [0, 1].map((row) => live.spot(row, j, m, 2)), [x, y].map((v) => Number(v.toPrecision(6))));
  }

  /** A point is dragged, flipped by a click, moved by the arrow keys. */
  function listen(point, j) {
    point.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false }); // else a finger scrolls
    point.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) {
        return;
      }
      event.preventDefault();
      if (able && event.shiftKey) {
        remove(j);
        return;
      }
      let moved = false;
      const follow = (now) => {
        moved ||= Math.hypot(now.clientX - event.clientX, now.clientY - event.clientY) > 3;
        if (moved) {
          move(j, ...where(now));
        }
      };
      elements.follow(event, follow, (now) => {
        if (able && moved && now.type === "pointerup" && outside(now)) {
          live.settle();
          remove(j);
          return;
        }
        if (moved) {
          live.settle();
        } else if (now.type === "pointerup") {
          flip(j);
        }
        choose(j);
      });
    });
    point.addEventListener("keydown", (event) => {
      const [across, up] = [0, 1].map((row) => (high[row] - low[row]) / 40);
      const ways = { ArrowLeft: [-across, 0], ArrowRight: [across, 0], ArrowUp: [0, up], ArrowDown: [0, -up] };
      const next = { PageUp: -1, PageDown: 1 }[event.key];
      if (event.key in ways) {
        move(j, at(0, j) + ways[event.key][0], at(1, j) + ways[event.key][1]);
        live.settle();
      } else if (event.key === "Enter") {
        flip(j);
      } else if (able && (event.key === "Delete" || event.key === "Backspace")) {
        remove(j);
      } else if (able && event.key === "Insert") {
        add(at(0, j) + across, at(1, j) + up);
      } else if (next !== undefined) {
        const shown = [...points.keys()];
        choose(shown.at((shown.indexOf(j) + next) % shown.length));
      } else {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** The Tab key reaches this point, or the one before it that is shown. */
  function reachable(j) {
    chosen = [...points.keys()].findLast((k) => k <= j) ?? 0;
    points.forEach((point, k) => point.setAttribute("tabindex", k === chosen ? "0" : "-1"));
  }

  function choose(j) {
    reachable(j);
    points.get(chosen).focus();
  }

  /** A point for each example; of very many for some, and for those that were added. */
  function place_all() {
    [X, Y] = [live.memory[data.X], live.memory[data.Y]];
    m = X.length / 2;
    points = new Map();
    for (let j = 0; j < m; j += j < recorded ? Math.min(every, recorded - j) : 1) {
      const point = shape("path", { role: "button" });
      listen(point, j);
      points.set(j, point);
    }
    reachable(chosen);
    drawing.replaceChildren(...points.values());
  }

  if (able) {
    let began = null; // where the pointer went down: a point that was dragged ends in a click, too
    drawing.addEventListener("pointerdown", ({ target }) => (began = target));
    drawing.addEventListener("click", (event) => {
      if (event.target === drawing && began === drawing) {
        add(...where(event));
      }
    });
    document.addEventListener("laid", place_all);
  }
  place_all();
  reach();
  const ends = [0, 1].map((row) => `from ${numbers.short(low[row], 3)} to ${numbers.short(high[row], 3)}`);
  const some = [`Across the first number of a point, ${ends[0]}; up the second one, ${ends[1]}. `, every > 1 ? `One of ${every} points is shown. ` : "", data.alone ? "" : `${training.unforetold} `].join("");
  return { element, draw, paint, able, graded, some };
})();
