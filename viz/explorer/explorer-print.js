"use strict";

/** The picture on paper: where it is too large to be read on one sheet, its parts follow, each on its own. */
(() => {
  const { make } = elements;
  const frame = document.getElementById("graph");
  const [WIDE, HIGH] = [1000, 1400]; // points of a sheet: there the smallest letters, of 11, are 5.7 high
  const ALONE = 1.15; // of a sheet that is the only one the letters may be smaller
  const MOST = 30; // sheets; more than a desk holds

  /** Where one side of a picture is divided, between its boxes; a box that must be cut stands whole in the next part. */
  function pieces(end, most, boxes) {
    const longest = Math.max(0, ...boxes.map(([low, high]) => high - low));
    const size = Math.max(Math.min(most, (1.2 * end) / Math.ceil(end / most)), 1.4 * longest); // parts of about one size
    const cut = (x) => boxes.filter(([low, high]) => low < x && x < high).map(([low]) => low);
    const made = [];
    for (let from = 0; ; ) {
      if (from + size >= end) {
        return [...made, [from, end]];
      }
      const ends = boxes.map(([, high]) => high).filter((x) => x > from + size / 2 && x <= from + size);
      const free = Math.max(0, ...ends.filter((x) => !cut(x).length));
      const next = Math.min(end, ...boxes.map(([low]) => low).filter((x) => x >= free));
      const to = free ? Math.min((free + next) / 2, from + size) : from + size;
      made.push([from, to]);
      from = free ? to : Math.max(from + size / 4, Math.min(to, ...cut(to)));
    }
  }

  /** The parts of a picture, from the top to the bottom, in a row from left to right. */
  function parts(svg) {
    const { width, height } = svg.viewBox.baseVal;
    const { e, f } = svg.querySelector("g.graph").transform.baseVal.consolidate().matrix;
    const boxes = [...svg.querySelectorAll("g.node, g.cluster > text")].map((one) => {
      const box = one.getBBox();
      const x = [box.x + e - 2, box.x + e + box.width + 2];
      return { id: one.id, x, y: [box.y + f - 2, box.y + f + box.height + 2] };
    });
    const less = Math.max(1, Math.sqrt((width * height) / (WIDE * HIGH * MOST)));
    const columns = pieces(width, WIDE * less, boxes.map((box) => box.x));
    const rows = pieces(height, HIGH * less, boxes.map((box) => box.y));
    const meets = ([low, high], [from, to]) => low < to && high > from;
    const within = ([low, high], [from, to]) => low >= from && high <= to;
    const whole = new Set(); // what stands whole in a part before
    return rows
      .flatMap((y) => columns.map((x) => ({ x, y })))
      .map(({ x, y }) => ({ x, y, shown: boxes.filter((box) => meets(box.x, x) && meets(box.y, y)) }))
      .filter(({ x, y, shown }) => {
        const fresh = shown.filter((box) => within(box.x, x) && within(box.y, y) && !whole.has(box));
        fresh.forEach((box) => whole.add(box));
        return fresh.length;
      });
  }

  /** A part: the picture without what is elsewhere. */
  function sheet(svg, { x, y, shown }, k, all) {
    const part = svg.cloneNode(true);
    for (const name of ["role", "aria-label", "width", "height", "style"]) {
      part.removeAttribute(name);
    }
    const [width, height] = [x[1] - x[0], y[1] - y[0]];
    part.setAttribute("viewBox", `${x[0]} ${y[0]} ${width} ${height}`);
    part.style.width = `min(100%, ${(92 * width) / height}vh)`; // beside it is nothing of the picture
    const ids = new Set(shown.map((box) => box.id));
    part.querySelectorAll("g.node").forEach((node) => ids.has(node.id) || node.remove());
    return make("figure", {}, part, make("figcaption", {}, `part ${k + 1} of ${all}`));
  }

  const sheets = make("div", { id: "sheets" });
  addEventListener("beforeprint", () => {
    const svg = frame.querySelector("svg");
    const { width, height } = svg.viewBox.baseVal;
    if (Math.max(width / WIDE, height / HIGH) > ALONE) {
      const several = parts(svg);
      sheets.replaceChildren(...several.map((part, k) => sheet(svg, part, k, several.length)));
      frame.append(sheets); // there, where the picture's style is
    }
  });
  addEventListener("afterprint", () => sheets.remove());
})();
