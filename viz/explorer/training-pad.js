"use strict";

/** A pad to draw a picture on, or where they have colours an example; and the network's answer as bars. */
training.pad = (() => {
  const { make, button } = elements;
  const { answers: data } = training.data;
  if (!data.alone) {
    return null;
  }
  const [rows, columns, channels = 1] = data.picture;
  const { classes, batch, graded, names, ends } = data; // what is drawn is the first of so many
  const counted = graded || (classes === 1 && ends[1] !== 1); // the answer is a number, and no class
  const drawable = channels === 1; // a pen has no colours
  const size = rows * columns * channels;
  const m = live.memory[data.X].length / size;
  const pixels = new Float64Array(size);
  const how = drawable ? { tabindex: "0", "aria-label": "Pad: draw with the pointer, or with arrows and Space" } : { "aria-label": "The picture" };
  const canvas = make("canvas", { width: columns, height: rows, role: "img", ...how });
  const cursor = make("div", { class: "cursor", hidden: "" });
  const bars = make("ol", { class: "bars", role: "status" });
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

  /** The answer as a share for each class; of an answer that is a number the number. */
  function said(out) {
    if (counted) {
      return Array.from({ length: classes }, (_, k) => make("li", {}, make("span", { class: "digit" }, classes === 1 ? "answer" : names[k]), make("span", {}, numbers.short(out[live.spot(k, 0, batch, classes)]))));
    }
    const share = (out[0] - ends[0]) / (ends[1] - ends[0]); // of the second one of two
    const two = data.turned ? [share, 1 - share] : [1 - share, share];
    const shares = classes === 1 ? two : Array.from({ length: classes }, (_, k) => out[live.spot(k, 0, batch, classes)]);
    const best = shares.reduce((one, v, k) => (v > shares[one] ? k : one), 0);
    return shares.map((v, k) => {
      const bar = make("span", { class: "bar" });
      bar.style.width = `${Math.max(0, Math.min(100, 100 * v)).toFixed(1)}%`;
      return make("li", k === best ? { class: "best" } : {}, make("span", { class: "digit" }, names[k]), make("span", { class: "whole" }, bar), make("span", {}, `${(100 * v).toFixed(0)}%`));
    });
  }

  /** The picture, and what the network says of it. */
  function paint() {
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    for (let i = 0; i < rows * columns; i += 1) {
      const colour = [0, 1, 2].map((k) => 255 * pixels[channels * i + (k % channels)]);
      image.data.set([...colour, 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
    const out = training.predicted((given) => {
      for (let i = 0; i < pixels.length; i += 1) {
        given[live.spot(i, 0, batch, size)] = pixels[i];
      }
    });
    bars.replaceChildren(...[said(out)].flat());
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
    pixels.forEach((_, i) => (pixels[i] = live.memory[data.X][live.spot(i, j, m, size)]));
    paint();
  }

  function under({ clientX, clientY }) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [r, c] = [Math.floor(((clientY - top) / height) * rows), Math.floor(((clientX - left) / width) * columns)];
    return r >= 0 && r < rows && c >= 0 && c < columns ? r * columns + c : null;
  }

  /** A pen, moved by the pointer or by keys. */
  function draw() {
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      at = under(event) ?? at;
      ink(at);
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
      at = Math.max(0, Math.min(size - 1, at + by));
      if (by === 0) {
        ink(at);
      }
      paint();
    });
    canvas.addEventListener("focus", () => (cursor.hidden = !canvas.matches(":focus-visible")));
    canvas.addEventListener("blur", () => (cursor.hidden = true));
  }

  if (drawable) {
    draw();
  }
  example.addEventListener("input", show);
  elements.alone(example);
  const tools = make("p", { class: "field" }, ...(drawable ? [button("Clear", "clear", clear, { id: "clear" })] : []), make("label", {}, "Example ", example));
  const element = make("div", { class: "pad" }, make("div", { class: "paper" }, canvas, cursor), bars);
  show();
  return { element, tools, paint };
})();
