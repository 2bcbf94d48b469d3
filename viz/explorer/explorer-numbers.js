"use strict";

/** Arrays shown as a number, a table, a heat map or statistics; one cursor for all of a node. */
const numbers = (() => {
  const { make } = elements;
  const TABLE = 64; // elements of an array shown as a table
  const SHEET = 9; // columns of a table that stand side by side on paper
  const WIDTH = 384; // of a heat map, in CSS pixels
  const CELL = 18; // greatest height of its rows
  const decoded = new WeakMap();
  let cell = 0; // where the cursor is, as a position in the array
  let there = false; // whether it shows

  // --- numbers as text ---------------------------------------------------------------------------

  /** The numbers of an array, or null where only statistics were kept. */
  function decode(array) {
    if (array.data !== null && !decoded.has(array)) {
      const bytes = Uint8Array.from(atob(array.data), (c) => c.codePointAt(0));
      const view = new DataView(bytes.buffer);
      const read = (_, i) => view.getFloat64(8 * i, true);
      decoded.set(array, Float64Array.from({ length: array.size }, read));
    }
    return decoded.get(array) ?? null;
  }

  /** Give an array its numbers, where only statistics were kept. */
  function keep(array, values) {
    array.data = "";
    decoded.set(array, values);
  }

  /** A number of float32 with no more digits than tell it from its neighbours. */
  function brief(x) {
    let digits = 1;
    while (digits < 9 && Math.fround(Number(x.toPrecision(digits))) !== x) {
      digits += 1;
    }
    return Number(x.toPrecision(digits));
  }

  /** A number of an array as it is written. */
  const plain = (x, { dtype }) => (dtype === "float32" && Number.isFinite(x) ? brief(x) : x);

  /** A number in full: the shortest text that is exactly this number of the array. */
  function full(x, array = {}) {
    if (Number.isNaN(x)) {
      return "NaN";
    }
    const text = Number.isFinite(x) ? String(plain(Math.abs(x), array)) : "∞";
    return `${x < 0 || Object.is(x, -0) ? "−" : ""}${text.replace("e+", "e").replace("-", "−")}`;
  }

  /** A number as one reads it: a whole one as it is, others in a few significant digits. */
  function short(x, digits = 4) {
    const size = Math.abs(x);
    if (size === 0) {
      return "0"; // −0 too
    }
    if (!Number.isFinite(x) || (Number.isInteger(x) && size < 1e6)) {
      return full(x);
    }
    if (size >= 1e-4 && size < 1e4) {
      return full(Number(x.toPrecision(digits)));
    }
    return x.toExponential(digits - 1).replace(/\.?0*e\+?/u, "e").replaceAll("-", "−");
  }

  /** An array as rows and columns; axes before the last two are laid one below the other. */
  function grid(array) {
    const columns = array.shape.length > 0 ? array.shape.at(-1) : 1;
    return { rows: columns ? array.size / columns : 0, columns };
  }

  /** The index of an element as it is written in NumPy. */
  function index(array, i) {
    let rest = i;
    const at = array.shape.map(() => 0);
    for (let axis = at.length - 1; axis >= 0; axis -= 1) {
      at[axis] = rest % array.shape[axis];
      rest = Math.floor(rest / array.shape[axis]);
    }
    return at.length > 0 ? `[${at.join(", ")}]` : "";
  }

  // --- a table -----------------------------------------------------------------------------------

  /** A table with the indices as headers. */
  function table(array, values, name) {
    const { rows, columns } = grid(array);
    const many = rows > 1;
    const heads = make("tr", {}, ...(many ? [make("td")] : []));
    for (let c = 0; c < columns; c += 1) {
      heads.append(make("th", { scope: "col" }, String(c)));
    }
    const body = make("tbody");
    for (let r = 0; r < rows; r += 1) {
      const row = make("tr", {}, ...(many ? [make("th", { scope: "row" }, String(r))] : []));
      for (let c = 0; c < columns; c += 1) {
        const i = r * columns + c;
        row.append(make("td", { "data-i": i, title: full(values[i], array) }, short(values[i])));
      }
      body.append(row);
    }
    const label = {
      tabindex: "0",
      "aria-label": `${name}: table of ${rows} by ${columns}`,
      style: `--columns: ${columns}`, // for paper
      class: columns > SHEET ? "several-lines" : "",
    };
    const made = make("table", label, make("thead", {}, heads), body);
    const cells = [...body.querySelectorAll("td")];
    return {
      element: make("div", { class: "numbers" }, made),
      focus: made,
      at: (event) => event.target.closest("td[data-i]")?.dataset.i,
      mark: (i) => cells.forEach((td, k) => td.classList.toggle("here", k === i)),
      paint: () => undefined,
    };
  }

  // --- a heat map --------------------------------------------------------------------------------

  /** A colour of the theme as [red, green, blue]. */
  function colour(name) {
    const text = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    return [1, 3, 5].map((i) => Number.parseInt(text.slice(i, i + 2), 16));
  }

  /** Paint each number between the colours of −most, 0 and most; what is not finite stands out. */
  function shade(canvas, values, most) {
    const [low, middle, high, problem] = ["low", "middle", "high", "problem"].map(colour);
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    for (const [i, x] of values.entries()) {
      const end = x < 0 ? low : high;
      const share = most > 0 ? Math.abs(x) / most : 0;
      for (let k = 0; k < 3; k += 1) {
        const mixed = middle[k] + (end[k] - middle[k]) * share;
        image.data[4 * i + k] = Number.isFinite(x) ? mixed : problem[k];
      }
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }

  /** A heat map with a legend. */
  function map(array, values, name) {
    const { rows, columns } = grid(array);
    const { min, max } = array.stats;
    const most = min === null ? 0 : Math.max(Math.abs(min), Math.abs(max));
    const width = Math.min(WIDTH, columns * 24);
    const height = Math.max(Math.min(rows * CELL, WIDTH), rows > 1 ? 48 : 24);
    const range = min === null ? "" : `, from ${short(min)} to ${short(max)}`;
    const canvas = make("canvas", {
      width: columns,
      height: rows,
      tabindex: "0",
      role: "img",
      "aria-label": `${name}: heat map of ${rows} by ${columns}${range}`,
    });
    canvas.style.height = `${height}px`;
    const here = make("div", { class: "cursor", hidden: "" });
    const area = make("div", { class: "map" }, canvas, here);
    area.style.width = `${width + 2}px`; // with its border; less where there is less room
    const ends = [-most, most].map((x) => make("span", {}, short(x)));
    const legend = make("div", { class: "legend" }, ends[0], make("span", { class: "ramp" }), ends[1]);
    const paint = () => shade(canvas, values, most);
    paint();
    return {
      element: make("div", { class: "numbers" }, area, legend),
      focus: canvas,
      paint,
      at: (event) => {
        const box = canvas.getBoundingClientRect();
        const c = Math.floor(((event.clientX - box.left) / box.width) * columns);
        const r = Math.floor(((event.clientY - box.top) / box.height) * rows);
        const within = c >= 0 && c < columns && r >= 0 && r < rows;
        return event.target === canvas && within ? r * columns + c : undefined;
      },
      mark: (i) => {
        here.hidden = i === null;
        Object.assign(here.style, {
          left: `${(100 * (i % columns)) / columns}%`,
          top: `${(100 * Math.floor(i / columns)) / rows}%`,
          width: `${100 / columns}%`,
          height: `${100 / rows}%`,
        });
      },
    };
  }

  // --- statistics --------------------------------------------------------------------------------

  /** Least, greatest, mean, norm and histogram, as they stand beside a recorded array. */
  function statistics(x) {
    const finite = x.filter(Number.isFinite);
    const count = (test) => x.reduce((sum, v) => sum + (test(v) ? 1 : 0), 0);
    const found = {
      min: null, max: null, mean: null, norm: null, histogram: [],
      zeros: count((v) => v === 0), nan: count(Number.isNaN), inf: count((v) => Math.abs(v) === Infinity),
    };
    if (finite.length === 0) {
      return found;
    }
    const min = finite.reduce((a, b) => Math.min(a, b));
    const max = finite.reduce((a, b) => Math.max(a, b));
    const scale = Math.max(Math.abs(min), Math.abs(max)) || 1;
    const histogram = Array.from({ length: 24 }, () => 0);
    const width = max / scale - min / scale;
    for (const v of finite) {
      histogram[Math.min(23, Math.floor((24 * (v / scale - min / scale)) / width)) || 0] += 1;
    }
    const norm = scale * Math.sqrt(finite.reduce((sum, v) => sum + (v / scale) ** 2, 0));
    const mean = scale * finite.reduce((sum, v) => sum + v / scale / finite.length, 0);
    return { ...found, min, max, mean, norm: Number.isFinite(norm) ? norm : null, histogram: width > 1e-12 ? histogram : [] };
  }

  /** The typical numbers of an array, with a histogram. */
  function typical(array) {
    const { stats } = array;
    const list = make("dl", { class: "typical" });
    const add = (term, text) => list.append(make("dt", {}, term), make("dd", {}, text));
    for (const name of ["min", "mean", "max", "norm"].filter((key) => stats[key] !== null)) {
      add(name, short(stats[name]));
    }
    for (const [name, term] of [["zeros", "zeros"], ["nan", "NaN"], ["inf", "±∞"]]) {
      if (stats[name] > 0) {
        add(term, stats[name].toLocaleString("en"));
      }
    }
    const box = make("div", { class: "numbers" }, list);
    if (stats.histogram.length > 0) {
      const [low, high] = [short(stats.min), short(stats.max)];
      const top = Math.max(...stats.histogram);
      const bars = make("div", { class: "histogram", role: "img", "aria-label": `histogram from ${low} to ${high}` });
      for (const count of stats.histogram) {
        const bar = make("span", { title: count.toLocaleString("en") });
        bar.style.height = `${count > 0 ? Math.max((100 * count) / top, 2) : 0}%`;
        bars.append(bar);
      }
      const size = `${array.size.toLocaleString("en")} numbers`;
      box.append(bars, make("div", { class: "legend" }, ...[low, size, high].map((text) => make("span", {}, text))));
    }
    return box;
  }

  // --- all arrays of a node ----------------------------------------------------------------------

  /** The arrow keys go from cell to cell. */
  function step(event, array) {
    const { columns } = grid(array);
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (by === undefined) {
      return false;
    }
    event.preventDefault();
    event.stopPropagation();
    const next = cell + by;
    cell = next >= 0 && next < array.size ? next : cell;
    return true;
  }

  /**
   * Value, gradient and contributions of a node, each as suits its size.
   *
   * @param parts [{array, name, kind: "value" | "slope" | "part"}]
   * @param same whether it is the node shown before: then the cursor stays.
   * @return the element of each, the line about the cell one is at, and how to paint in new colours.
   */
  function show(parts, same) {
    const line = make("p", { class: "readout", role: "status" });
    const seen = parts.map((part) => ({ ...part, values: decode(part.array) }));
    const views = [];
    const go = (i) => {
      there = i !== null;
      cell = there ? i : cell;
      views.forEach((view) => view.mark(i));
      line.replaceChildren(...(i === null ? [] : readout(seen, i)));
    };
    const drawn = seen.map((part) => {
      const { array, values, name } = part;
      const known = values ?? array.now;
      array.stats ??= known ? statistics(known) : null;
      if (array.size === 0) {
        return make("p", {}, "empty");
      }
      if (values === null) {
        return typical(array);
      }
      if (array.size === 1) {
        return make("p", { class: "scalar", title: full(values[0], array), "data-i": "0" }, short(values[0]));
      }
      const small = array.size <= TABLE && array.shape.length <= 2;
      const view = (small ? table : map)(array, values, name);
      views.push(view);
      view.element.addEventListener("pointermove", (event) => {
        const at = view.at(event);
        go(at === undefined ? null : Number(at));
      });
      view.element.addEventListener("pointerleave", () => go(null));
      view.focus.dataset.key = name;
      view.focus.addEventListener("focus", () => go(cell));
      view.focus.addEventListener("blur", () => go(null));
      view.focus.addEventListener("keydown", (event) => step(event, array) && go(cell));
      return view.element;
    });
    cell = same ? cell : 0;
    go(same && there && views.length > 0 ? cell : null);
    line.hidden = views.length === 0;
    return { drawn, line, paint: () => views.forEach((view) => view.paint()) };
  }

  /** Value and gradient of a cell in full, a gradient of several contributions as their sum. */
  function readout(parts, i) {
    const exact = (part) => full(part.values[i], part.array);
    const held = (kind) => parts.filter((part) => part.kind === kind && part.values);
    const line = (kind, { array, name }, ...rest) =>
      make("span", { class: kind }, [name + index(array, i), ...rest].join(" = "));
    const terms = held("part");
    const written = terms.map((part) => full(part.values[i] + 0, part.array)); // −0 + 0 is 0
    const sum = terms.length > 0 ? [[...written, ...(terms[0].more ? ["…"] : [])].join(" + ")] : [];
    const slopes = held("slope").map((part) => line("slope", part, ...sum, exact(part)));
    const partial = terms.slice(0, 1).map((part) => line("slope", part, `${written.join(" + ")} + …`));
    return [
      ...held("value").map((part) => line("value", part, exact(part))),
      ...(slopes.length > 0 ? slopes : partial),
    ];
  }

  return { show, decode, keep, full, plain, short, index, at: () => cell };
})();
