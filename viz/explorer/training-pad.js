"use strict";

/** A pad to draw a picture on, and the network's answer as bars. */
training.pad = (() => {
  const { make, button } = elements;
  const { answers: data } = training.data;
  const [rows, columns] = data.picture;
  const { classes, batch } = data; // what is drawn is the first of so many
  const X = live.memory[data.X];
  const m = X.length / (rows * columns);
  const pixels = new Float64Array(rows * columns);
  const canvas = make("canvas", {
    width: columns, height: rows, tabindex: "0", role: "img", "aria-label": "Pad: draw with the pointer, or with arrows and Space",
  });
  const cursor = make("div", { class: "cursor", hidden: "" });
  const bars = make("ol", { class: "bars", start: "0", role: "status" });
  const example = make("input", { type: "number", min: 0, max: m - 1, value: 0, "aria-label": "Example" });
  let at = 0;

  /** Ink at a place, and a little beside it, as a pen leaves it. */
  function ink(i) {
    const [r, c] = [Math.floor(i / columns), i % columns];
    for (const [dr, dc, much] of [[0, 0, 1], [0, 1, 0.25], [1, 0, 0.25], [0, -1, 0.25], [-1, 0, 0.25]]) {
      if (r + dr >= 0 && r + dr < rows && c + dc >= 0 && c + dc < columns) {
        const j = (r + dr) * columns + c + dc;
        pixels[j] = Math.max(pixels[j], Math.min(1, pixels[j] + much));
      }
    }
    paint();
  }

  /** The picture, and what the network says of it. */
  function paint() {
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    pixels.forEach((v, i) => image.data.set([255 * v, 255 * v, 255 * v, 255], 4 * i));
    context.putImageData(image, 0, 0);
    const out = training.predicted((given) => {
      for (let i = 0; i < pixels.length; i += 1) {
        given[live.spot(i, 0, batch, pixels.length)] = pixels[i];
      }
    });
    const shares = classes === 1 ? [1 - out[0], out[0]] : Array.from({ length: classes }, (_, k) => out[live.spot(k, 0, batch, classes)]);
    const best = shares.reduce((one, share, k) => (share > shares[one] ? k : one), 0);
    bars.replaceChildren(...shares.map((share, k) => {
      const bar = make("span", { class: "bar" });
      bar.style.width = `${Math.max(0, Math.min(100, 100 * share)).toFixed(1)}%`;
      return make("li", k === best ? { class: "best" } : {}, make("span", { class: "digit" }, String(k)), make("span", { class: "whole" }, bar), make("span", {}, `${(100 * share).toFixed(0)}%`));
    }));
    Object.assign(cursor.style, {
      left: `${(100 * (at % columns)) / columns}%`, top: `${(100 * Math.floor(at / columns)) / rows}%`,
      width: `${100 / columns}%`, height: `${100 / rows}%`,
    });
  }

  function clear() {
    pixels.fill(0);
    paint();
  }

  /** Show an example of the data. */
  function show() {
    const j = Math.max(0, Math.min(m - 1, Math.floor(example.valueAsNumber) || 0));
    pixels.forEach((_, i) => (pixels[i] = X[live.spot(i, j, m, pixels.length)]));
    paint();
  }

  function under({ clientX, clientY }) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [r, c] = [Math.floor(((clientY - top) / height) * rows), Math.floor(((clientX - left) / width) * columns)];
    return r >= 0 && r < rows && c >= 0 && c < columns ? r * columns + c : null;
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    ink(under(event) ?? at);
  });
  canvas.addEventListener("pointermove", (event) => {
    const i = under(event);
    if (event.buttons === 1 && i !== null && i !== at) {
      at = i;
      ink(i);
    }
  });
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, " ": 0 }[event.key];
    if (by === undefined) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    at = Math.max(0, Math.min(pixels.length - 1, at + by));
    if (by === 0) {
      ink(at);
    }
    paint();
  });
  canvas.addEventListener("focus", () => (cursor.hidden = !canvas.matches(":focus-visible")));
  canvas.addEventListener("blur", () => (cursor.hidden = true));
  example.addEventListener("input", show);
  elements.alone(example);
  const tools = make("p", { class: "field" }, button("Clear", "clear", clear, { id: "clear" }), make("label", {}, "Example ", example));
  const element = make("div", { class: "pad" }, make("div", { class: "paper" }, canvas, cursor), bars);
  show();
  return { element, tools, paint };
})();
