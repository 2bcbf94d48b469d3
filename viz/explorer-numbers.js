"use strict";

/** Arrays shown as a number, a table, a heat map or statistics; one cursor for value and gradient. */
const numbers = (() => {
  const TABLE = 64; // elements of an array shown as a table
  const WIDTH = 384; // of a heat map, in CSS pixels
  const CELL = 18; // greatest height of its rows
  const decoded = new WeakMap();

  /** An element with attributes and children; text is only ever text. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  /** The numbers of an array, or null where only statistics were kept. */
  function decode(array) {
    if (array.data === null) {
      return null;
    }
    if (!decoded.has(array)) {
      const bytes = Uint8Array.from(atob(array.data), (c) => c.codePointAt(0));
      const view = new DataView(bytes.buffer);
      decoded.set(
        array,
        Float64Array.from({ length: array.size }, (_, i) => view.getFloat64(8 * i, true)),
      );
    }
    return decoded.get(array);
  }

  /** A number as one reads it: six significant digits, a real minus. */
  function short(x) {
    if (Number.isNaN(x)) {
      return "NaN";
    }
    if (!Number.isFinite(x)) {
      return x > 0 ? "∞" : "−∞";
    }
    if (Object.is(x, -0)) {
      return "−0";
    }
    const size = Math.abs(x);
    const plain = size === 0 || (size >= 1e-4 && size < 1e7);
    const text = plain
      ? String(Number(x.toPrecision(6)))
      : x.toExponential(4).replace(/\.?0+e/u, "e").replace("e+", "e");
    return text.replaceAll("-", "−");
  }

  /** A number in full: the shortest text that is exactly this number. */
  function full(x) {
    return Number.isFinite(x) && !Object.is(x, -0) ? String(x).replaceAll("-", "−") : short(x);
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

  /** The greatest magnitude of the finite elements. */
  function reach(array) {
    const { min, max } = array.stats;
    return min === null ? 0 : Math.max(Math.abs(min), Math.abs(max));
  }

  /** One colour of the theme as [red, green, blue]. */
  function colour(name) {
    const text = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    return [1, 3, 5].map((i) => Number.parseInt(text.slice(i, i + 2), 16));
  }

  /** The colour of a number on the scale from −reach over 0 to reach. */
  function shade(x, most, ends) {
    if (!Number.isFinite(x)) {
      return ends.problem;
    }
    const share = most > 0 ? Math.abs(x) / most : 0;
    const end = x < 0 ? ends.low : ends.high;
    return ends.middle.map((m, k) => Math.round(m + (end[k] - m) * share));
  }

  /** The ends of the scale in the present theme. */
  function scale() {
    return {
      low: colour("low"),
      middle: colour("middle"),
      high: colour("high"),
      problem: colour("problem"),
    };
  }

  /** A table with the indices as headers. */
  function table(array, values, name) {
    const { rows, columns } = grid(array);
    const body = make("tbody");
    const heads = make("tr", {}, make("td"));
    for (let c = 0; c < columns; c += 1) {
      heads.append(make("th", { scope: "col" }, String(c)));
    }
    for (let r = 0; r < rows; r += 1) {
      const row = make("tr", {}, make("th", { scope: "row" }, rows > 1 ? String(r) : ""));
      for (let c = 0; c < columns; c += 1) {
        const i = r * columns + c;
        const text = short(values[i]);
        row.append(make("td", { "data-i": String(i), title: full(values[i]) }, text));
      }
      body.append(row);
    }
    const made = make(
      "table",
      { tabindex: "0", "aria-label": `${name}: numbers` },
      make("thead", {}, heads),
      body,
    );
    const cells = [...made.querySelectorAll("td[data-i]")];
    return {
      element: make("div", { class: "numbers" }, made),
      focus: made,
      at: (event) => event.target.closest("td[data-i]")?.dataset.i,
      mark: (i) => cells.forEach((cell, k) => cell.classList.toggle("here", k === i)),
      paint: () => {},
    };
  }

  /** A heat map with a legend. */
  function map(array, values, name) {
    const { rows, columns } = grid(array);
    const most = reach(array);
    const width = Math.min(WIDTH, columns * 24);
    const height = Math.max(Math.min(rows * CELL, WIDTH), rows > 1 ? 48 : 24);
    const canvas = make("canvas", {
      width: String(columns),
      height: String(rows),
      tabindex: "0",
      role: "img",
      "aria-label": `${name}: heat map of ${rows} by ${columns}, from ${short(array.stats.min ?? Number.NaN)} to ${short(array.stats.max ?? Number.NaN)}`,
    });
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const here = make("div", { class: "cursor", hidden: "" });
    const legend = make(
      "div",
      { class: "legend" },
      make("span", {}, short(-most)),
      make("span", { class: "ramp" }),
      make("span", {}, short(most)),
    );
    const draw = () => {
      const ends = scale();
      const context = canvas.getContext("2d");
      const image = context.createImageData(columns, rows);
      values.forEach((x, i) => image.data.set([...shade(x, most, ends), 255], 4 * i));
      context.putImageData(image, 0, 0);
    };
    draw();
    return {
      element: make(
        "div",
        { class: "numbers" },
        make("div", { class: "map" }, canvas, here),
        legend,
      ),
      focus: canvas,
      at: (event) => {
        const box = canvas.getBoundingClientRect();
        const c = Math.floor(((event.clientX - box.left) / box.width) * columns);
        const r = Math.floor(((event.clientY - box.top) / box.height) * rows);
        return event.target === canvas && c >= 0 && c < columns && r >= 0 && r < rows
          ? r * columns + c
          : undefined;
      },
      mark: (i) => {
        here.hidden = i === null;
        const r = Math.floor(i / columns);
        here.style.left = `${((i % columns) * width) / columns}px`;
        here.style.top = `${(r * height) / rows}px`;
        here.style.width = `${width / columns}px`;
        here.style.height = `${height / rows}px`;
      },
      paint: draw,
    };
  }

  /** What is typical of an array, with a histogram. */
  function typical(array) {
    const { stats } = array;
    const list = make("dl", { class: "typical" });
    for (const name of ["min", "mean", "max", "norm"]) {
      if (stats[name] !== null) {
        list.append(make("dt", {}, name), make("dd", {}, short(stats[name])));
      }
    }
    for (const name of ["zeros", "nan", "inf"]) {
      if (stats[name] > 0) {
        const title = { zeros: "zeros", nan: "NaN", inf: "±∞" }[name];
        list.append(make("dt", {}, title), make("dd", {}, stats[name].toLocaleString("en")));
      }
    }
    const box = make("div", { class: "numbers" }, list);
    if (stats.histogram.length > 0) {
      const top = Math.max(...stats.histogram);
      const bars = make("div", {
        class: "histogram",
        role: "img",
        "aria-label": `histogram from ${short(stats.min)} to ${short(stats.max)}`,
      });
      for (const count of stats.histogram) {
        const bar = make("span", { title: count.toLocaleString("en") });
        bar.style.height = `${count > 0 ? Math.max((100 * count) / top, 2) : 0}%`;
        bars.append(bar);
      }
      const ends = make(
        "div",
        { class: "legend" },
        make("span", {}, short(stats.min)),
        make("span", {}, `${array.size.toLocaleString("en")} numbers`),
        make("span", {}, short(stats.max)),
      );
      box.append(bars, ends);
    }
    return box;
  }

  /** Value and gradient of a node, each as suits its size, with a line about the cell one is at. */
  function show(parts) {
    const box = make("div", { class: "arrays" });
    const line = make("p", { class: "readout", role: "status" });
    const views = [];
    let cell = null;
    const go = (i) => {
      cell = i;
      views.forEach((view) => view.mark(i));
      line.replaceChildren();
      if (i !== null) {
        for (const view of views) {
          const text = `${view.name}${index(view.array, i)} = ${full(view.values[i])}`;
          line.append(make("span", { class: view.kind }, text));
        }
      }
    };
    for (const { array, name, kind } of parts) {
      const heading = make("h3", { class: kind }, name);
      const values = decode(array);
      const section = make("section", { class: kind, "data-kind": kind }, heading);
      box.append(section);
      if (values === null || array.size === 0) {
        section.append(array.size === 0 ? make("p", {}, "empty") : typical(array));
        continue;
      }
      if (array.size === 1) {
        const text = make("p", { class: "scalar", title: full(values[0]) }, short(values[0]));
        section.append(text);
        continue;
      }
      const small = array.size <= TABLE && array.shape.length <= 2;
      const view = { ...(small ? table : map)(array, values, name), array, values, name, kind };
      views.push(view);
      section.append(view.element);
      view.element.addEventListener("pointermove", (event) => {
        const at = view.at(event);
        go(at === undefined ? null : Number(at));
      });
      view.element.addEventListener("pointerleave", () => go(null));
      view.focus.addEventListener("focus", () => go(cell ?? 0));
      view.focus.addEventListener("blur", () => go(null));
      view.focus.addEventListener("keydown", (event) => {
        const { columns } = grid(array);
        const step = {
          ArrowLeft: -1,
          ArrowRight: 1,
          ArrowUp: -columns,
          ArrowDown: columns,
        }[event.key];
        if (step !== undefined) {
          const next = (cell ?? 0) + step;
          go(next >= 0 && next < array.size ? next : cell);
          event.preventDefault();
          event.stopPropagation();
        }
      });
    }
    if (views.length > 0) {
      box.append(line);
    }
    return { element: box, paint: () => views.forEach((view) => view.paint()) };
  }

  return { make, show, short };
})();
