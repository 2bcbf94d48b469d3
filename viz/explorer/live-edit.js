"use strict";

/** Numbers of inputs dragged and typed; what became of all others is coloured. */
const editing = (() => {
  const { make, button, alone } = elements;
  const { nodes, arrays } = story;
  const { short, full, plain, index } = numbers;
  const box = document.getElementById("panel");
  const bar = make("section", { id: "live", "aria-label": "Change the numbers" });
  const words = make("output", { id: "changed" });
  const STEP = 10; // pixels of a hand that a key goes
  const SAID = 2; // changed numbers in the line
  let chosen = null; // the cell that is being changed: {name, i, array, title}

  // --- the bar -----------------------------------------------------------------------------------

  const buttons = [
    button("Undo", "undo", live.undo, { id: "undo", title: "Take the last change back" }),
    button("Reset", "reset", live.reset, { id: "reset", title: "All numbers as they were recorded" }),
  ];

  /** What was changed last and what became of the results, in a line. */
  function tell() {
    const changed = live.undoable() || Object.keys(live.data.places).some(live.differs);
    buttons[0].setAttribute("aria-disabled", String(!live.undoable()));
    buttons[1].setAttribute("aria-disabled", String(!changed));
    const last = live.latest();
    const [id] = Object.entries(live.inputs).find(([, name]) => name === last?.name) ?? [];
    const cells = last?.cells?.flatMap((i, k) => (Object.is(last.before[k], last.after[k]) ? [] : [[i, last.before[k], last.after[k]]])) ?? [];
    const parts = last?.words ? [last.words()] : cells.slice(0, SAID).map(([i, before, after]) => `${live.title(id)}${index(nodes[id], i)}: ${short(before)} → ${short(after)}`);
    for (const out of live.data.outputs) {
      const k = nodes[out].value;
      const single = live.values[k]?.length === 1;
      const [before, after] = single ? [live.recorded[k][0], live.values[k][0]] : [0, 0];
      if (single && (last || !live.same(k, 0))) {
        const by = after - before;
        const more = Number.isFinite(by) ? ` (${by < 0 ? "" : "+"}${short(by)})` : "";
        parts.push(`${live.title(out)}: ${short(before)} → ${short(after)}${more}`);
      }
    }
    words.value = parts.join(" · ") || "Select a box: drag a number of what is given, or type it. All that follows is computed anew.";
  }

  // --- boxes of the picture ----------------------------------------------------------------------

  /** An array in a few characters, as a box shows it. */
  function brief(x, digits) {
    let [low, high] = [Infinity, -Infinity];
    for (let i = 0; i < x.length; i += 1) {
      low = Math.min(low, x[i]);
      high = Math.max(high, x[i]);
    }
    const [one, other] = [short(low, digits), short(high, digits)];
    if (one !== other) {
      return `${one} … ${other}`;
    }
    return x.length === 1 ? one : `all ${one}`;
  }

  /** The same in as many digits as there is room for in a box, whose lines were drawn for others. */
  function fitting(element, head, x) {
    element.dataset.room ??= Math.max(...[...element.querySelectorAll("text:not(.title)")].map((text) => text.textContent.length));
    let digits = 4;
    while (digits > 2 && (head + brief(x, digits)).length > Number(element.dataset.room)) {
      digits -= 1;
    }
    return head + brief(x, digits);
  }

  const written = ({ shape }) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  // The shapes as they were recorded, of what hangs on the number of examples.
  const sized = new Map(Object.keys(live.data.many?.nodes ?? {}).map((id) => [id, written(nodes[id])]));

  /** The shapes in the boxes, once there are more examples or less; a folded one has those of several nodes. */
  function reshape() {
    for (const text of document.querySelectorAll("#graph text.size")) {
      const { id } = text.closest(".node, .cluster") ?? {};
      const members = story.groups[id]?.members ?? [id];
      const ids = [...members, ...(id in story.groups ? members.flatMap((one) => nodes[one].inputs) : [])].filter((one) => sized.has(one));
      text.dataset.first ??= text.textContent;
      text.textContent = text.dataset.first.replaceAll(/\([\d, ]+\)/gu, (one) => {
        const same = ids.find((other) => sized.get(other) === one);
        return same === undefined ? one : written(nodes[same]);
      });
    }
  }

  /** The numbers in the boxes, and which of them are others than recorded. */
  function paint() {
    if (sized.size > 0) {
      reshape();
    }
    for (const element of document.querySelectorAll("#graph g.node")) {
      const node = nodes[element.id];
      for (const [line, k] of [["value", node?.value], ["slope", node?.gradient]]) {
        const text = element.querySelector(`text.${line}`);
        if (text && live.values[k]?.length > 0) {
          const moved = live.differs(k);
          const other = moved || live.resized(k);
          if (other || text.dataset.moved || text.dataset.resized) {
            text.dataset.first ??= text.dataset.whole ?? text.textContent;
            const { first } = text.dataset;
            const head = line === "slope" ? first.slice(0, first.lastIndexOf(": ") + 2) : ""; // dZ1, or gradient
            const said = other ? fitting(element, head, live.values[k]) : first;
            text.dataset.moved = moved ? "true" : "";
            text.dataset.resized = live.resized(k) ? "true" : "";
            text.dataset.whole = said; // the stepping writes it when all of a gradient is there
            if (line === "value" || element.dataset.gradient !== "partial") {
              text.textContent = said;
            }
          }
        }
      }
    }
  }

  // --- numbers in the panel ----------------------------------------------------------------------

  /** The parts of the panel that show numbers, with the arrays they show. */
  function sections() {
    const node = nodes[box.dataset.node];
    if (!node) {
      return [];
    }
    const found = [];
    for (const section of box.querySelectorAll("section[data-kind]")) {
      found.push([section, section.dataset.kind === "value" ? node.value : node.gradient]);
    }
    [...box.querySelectorAll(".parts > li")].forEach((item, i) => found.push([item, node.contributions[i]?.value]));
    return found.filter(([, k]) => k !== null && live.values[k] !== undefined);
  }

  /** A number as a field takes it, which has none that are not finite. */
  const typed = ({ name, i, array }) => {
    const v = live.memory[name][i];
    return Number.isFinite(v) ? String(plain(v, array)) : "";
  };

  const finite = (v) => (Number.isFinite(v) ? v : 0);

  /** Every number that is shown, as it is now; coloured where it is another than recorded. */
  function refresh() {
    for (const [section, k] of sections()) {
      const [now, before] = [live.values[k], live.recorded[k]];
      for (const cell of section.querySelectorAll("[data-i]")) {
        const i = Number(cell.dataset.i);
        const exact = full(now[i], arrays[k]);
        if (cell.title !== exact) {
          cell.textContent = short(now[i]);
          cell.title = exact;
        }
        const moved = live.same(k, i) ? "" : now[i] < before[i] ? "down" : "up";
        if ((cell.dataset.moved ?? "") !== moved) {
          cell.dataset.moved = moved;
        }
      }
    }
    const input = document.getElementById("number");
    const range = document.getElementById("range");
    for (const field of [input, range].filter((one) => one && chosen && document.activeElement !== one)) {
      field.value = typed(chosen);
    }
    panel.paint();
  }

  /** The input that the panel is about, if it is one that may be changed. */
  function given() {
    const id = box.dataset.node;
    const name = live.inputs[id];
    const k = nodes[id]?.value;
    const section = box.querySelector('section[data-kind="value"]');
    return name === undefined || !section || live.values[k] === undefined || arrays[k].data === null
      ? null
      : { id, name, k, section, array: arrays[k] };
  }

  /** Which cell a pointer is at. */
  function under(event, { section, array }) {
    const cell = event.target.closest("[data-i]");
    if (cell) {
      return Number(cell.dataset.i);
    }
    const canvas = section.querySelector("canvas");
    if (event.target !== canvas) {
      return null;
    }
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const c = Math.floor(((event.clientX - left) / width) * canvas.width);
    const r = Math.floor(((event.clientY - top) / height) * canvas.height);
    return Math.max(0, Math.min(array.size - 1, r * canvas.width + c));
  }

  /** Choose a cell: the field below the numbers is about it. */
  function choose(one, i) {
    chosen = { ...one, i };
    const label = document.getElementById("cell");
    label.textContent = `${live.title(one.id)}${index(one.array, i)}`;
    document.getElementById("number").value = typed(chosen);
  }

  /** What an array can hold: its own kind of numbers. */
  const fit = { b: (v) => Number(v >= 0.5), i: Math.round, u: (v) => Math.max(0, Math.round(v)), f: (v) => v };
  const answers = story.training?.answers;
  const fitted = ({ array, name }, v) => {
    const whole = fit[array.dtype[0]](v);
    const label = answers?.labels && name === answers.Y; // one of the classes
    return label ? Math.min(Math.max(whole, 0), answers.classes - 1) : whole;
  };

  /** A number after a hand went so many pixels to the right: 50 double it. */
  function moved({ array }, from, pixels) {
    const unit = Math.max(Math.abs(from), array.dtype[0] === "f" ? 0.1 : 50 / STEP) / 50;
    return Number((from + pixels * unit).toPrecision(6));
  }

  /** Below the numbers of an input: a field for the chosen one, and a slider where it is the only one. */
  function fields(one) {
    const number = make("input", { id: "number", type: "number", step: one.array.dtype[0] === "f" ? "any" : 1, "aria-labelledby": "cell" });
    const read = () => Number.isFinite(number.valueAsNumber) && live.change(one.name, chosen.i, fitted(one, number.valueAsNumber));
    number.addEventListener("input", read);
    number.addEventListener("change", () => {
      live.settle();
      number.value = typed(chosen);
    });
    number.addEventListener("keydown", (event) => {
      const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (by !== undefined) { // as much as a hand drags by a step
        event.preventDefault();
        const v = finite(live.memory[one.name][chosen.i]);
        live.set(one.name, chosen.i, fitted(one, moved(one, v, by * STEP)));
        number.value = typed(chosen);
      }
    });
    alone(number);
    const rows = [make("p", { class: "field" }, make("label", { id: "cell", for: "number" }), number)];
    if (one.array.size === 1) {
      const v = finite(live.memory[one.name][0]);
      const reach = Math.min(2 * Math.max(1, Math.abs(v)), Number.MAX_VALUE / 4);
      const range = make("input", {
        id: "range", type: "range", min: v - reach, max: v + reach, step: reach / 200, value: v, "aria-labelledby": "cell",
      });
      range.addEventListener("input", () => live.change(one.name, 0, fitted(one, range.valueAsNumber)));
      range.addEventListener("change", () => live.settle());
      alone(range);
      rows.push(range);
    }
    return make("div", { class: "fields" }, ...rows);
  }

  /** Dragging a number to the right makes it larger. */
  function draggable(one) {
    one.section.classList.add("editable");
    one.section.addEventListener("pointerdown", (event) => {
      const i = under(event, one);
      if (i === null || event.button !== 0) {
        return;
      }
      event.preventDefault();
      choose(one, i);
      const from = finite(live.memory[one.name][i]);
      elements.follow(event, ({ clientX }) => live.change(one.name, i, fitted(one, moved(one, from, clientX - event.clientX))), () => live.settle());
    });
    one.section.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("table, canvas")) {
        event.preventDefault();
        event.stopPropagation();
        choose(one, numbers.at());
        document.getElementById("number").select();
      }
    });
  }

  /** Dress the panel when it was written. */
  function dress() {
    const one = given();
    if (one && !one.section.classList.contains("editable")) {
      const i = chosen?.id === one.id ? Math.min(chosen.i, one.array.size - 1) : 0;
      draggable(one);
      if (one.array.size > 0) {
        one.section.append(fields(one));
        choose(one, i);
      }
    }
    refresh();
  }

  /** A new panel, unless one is typing in it. */
  function renew() {
    const typing = box.contains(document.activeElement) && document.activeElement.matches("input");
    if (!typing) {
      document.dispatchEvent(new CustomEvent("renewed"));
    }
  }

  if (live.why === null) {
    return { bar };
  }
  document.querySelector("header").after(bar);
  document.body.classList.add("barred");
  document.body.classList.toggle("live", live.on);
  if (!live.on) {
    words.value = `Recorded numbers: ${live.why}.`;
    bar.append(words);
    return { bar };
  }
  bar.append(words, make("div", { class: "buttons" }, ...buttons));
  document.addEventListener("keydown", (event) => {
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && !event.target.matches("input:not([type=range])")) {
      event.preventDefault();
      live.undo();
    }
  });
  new MutationObserver(dress).observe(box, { childList: true });
  new MutationObserver(paint).observe(document.getElementById("graph"), { childList: true });
  live.listen((settled) => {
    tell();
    paint();
    if (settled) {
      renew();
    }
    refresh();
  });
  tell();
  dress();
  return { bar };
})();
