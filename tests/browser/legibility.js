/** Every text one can see: where its ink is, how large, in which colour on which ground. */
() => {
  const context = document.createElement("canvas").getContext("2d");
  const shapes = [...document.querySelectorAll("svg :is(polygon, path, ellipse, rect)")];

  const clear = (colour) => colour === "transparent" || colour === "rgba(0, 0, 0, 0)";
  const bars = [...document.querySelectorAll("body *")].filter((one) => {
    const { position, backgroundColor } = getComputedStyle(one);
    return position === "sticky" && !clear(backgroundColor);
  });

  /** The part of a box that no scrolling ancestor, no sticky bar and not the window cuts off. */
  function clipped(box, element) {
    let { left, top, right, bottom } = box;
    for (let one = element; one && one !== document.body; one = one.parentElement) {
      if (getComputedStyle(one).overflow !== "visible" && !(one instanceof SVGElement)) {
        const room = one.getBoundingClientRect();
        [left, top] = [Math.max(left, room.left), Math.max(top, room.top)];
        [right, bottom] = [Math.min(right, room.right), Math.min(bottom, room.bottom)];
      }
    }
    for (const bar of bars.filter((one) => !one.contains(element))) {
      const room = bar.getBoundingClientRect();
      if (room.left < right && room.right > left && room.top < bottom && room.bottom > top) {
        [top, bottom] = room.top > top ? [top, room.top] : [room.bottom, bottom];
      }
    }
    [left, top] = [Math.max(left, 0), Math.max(top, 0)];
    [right, bottom] = [Math.min(right, innerWidth), Math.min(bottom, innerHeight)];
    return { left, top, right, bottom };
  }

  const font = (style) =>
    `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;

  /** From the line's box to its ink: a font's box is higher than the letters of a text. */
  function ink(line, text, style) {
    context.font = font(style);
    const of = context.measureText(text);
    const [up, down] = [of.fontBoundingBoxAscent, of.fontBoundingBoxDescent];
    const scale = line.height / (up + down);
    return {
      left: line.left,
      right: line.right,
      top: line.top + (up - of.actualBoundingBoxAscent) * scale,
      bottom: line.bottom - (down - of.actualBoundingBoxDescent) * scale,
    };
  }

  /** The nearest ground behind an element of HTML; an SVG's is that of what it stands in. */
  function paper(element) {
    for (let one = element; one; one = one.parentElement) {
      const { backgroundColor } = getComputedStyle(one);
      if (!(one instanceof SVGElement) && !clear(backgroundColor)) {
        return backgroundColor;
      }
    }
    return "rgb(255, 255, 255)";
  }

  /** Whether a point of the screen is in the painted area of a shape. */
  function holds(one, x, y) {
    const at = new DOMPoint(x, y).matrixTransform(one.getScreenCTM().inverse());
    return one.isPointInFill(at);
  }

  /** The fill of the last shape painted below a text. */
  function below(element, x, y) {
    const before = (one) =>
      one.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING;
    const there = shapes.filter((one) => {
      const { fill, visibility } = getComputedStyle(one);
      return fill !== "none" && visibility === "visible" && before(one) && holds(one, x, y);
    });
    return there.length > 0 ? getComputedStyle(there.at(-1)).fill : paper(element);
  }

  /** How many pixels a box stands out of another one, at most. */
  const out = (box, room) =>
    Math.max(room.left - box.left, box.right - room.right, room.top - box.top, box.bottom - room.bottom);

  /** How far a text stands out of the shape of its node, or of the control that it is in. */
  function beyond(element, box) {
    const thing = element.closest("g.node, g.cluster");
    if (thing) {
      const body = thing.querySelector(":is(polygon, path, ellipse):not([fill=none])");
      const middle = (box.top + box.bottom) / 2;
      const ends = [box.left + 1, box.right - 1].every((x) => holds(body, x, middle));
      return ends ? out(box, body.getBoundingClientRect()) : Infinity;
    }
    const control = element.closest("button, dialog, td, th");
    return control ? out(box, control.getBoundingClientRect()) : -Infinity;
  }

  const number = new Map();
  /** Texts of one owner may touch: those of one element, those of one formula. */
  function owner(element) {
    const one = element.closest("math") ?? element;
    number.set(one, number.get(one) ?? number.size);
    return number.get(one);
  }

  const modal = document.querySelector("dialog:modal") ?? document.body;
  const found = [];

  function add(element, text, lines, colour, style, sticks) {
    const seen = lines.map((line) => clipped(line, element));
    const boxes = seen.filter((box) => box.right > box.left && box.bottom > box.top);
    if (boxes.length === 0) {
      return;
    }
    const [first] = boxes;
    const [x, y] = [(first.left + first.right) / 2, (first.top + first.bottom) / 2];
    const drawn = element instanceof SVGElement;
    const matrix = drawn ? element.getScreenCTM() : null;
    found.push({
      text: text.trim(),
      owner: owner(element),
      boxes: boxes.map((box) => [box.left, box.top, box.right, box.bottom]),
      size: Number.parseFloat(style.fontSize) * (matrix ? Math.hypot(matrix.a, matrix.b) : 1),
      colour,
      ground: drawn ? below(element, x, y) : paper(element),
      disabled: element.closest(":disabled") !== null,
      sticks: Number.isFinite(sticks) ? sticks : sticks > 0 ? 1e6 : -1e6,
    });
  }

  const walker = document.createTreeWalker(modal, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.textContent;
    const shown = element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    if (text.trim() === "" || !shown || element.matches("script, style, title")) {
      continue;
    }
    const range = document.createRange();
    range.selectNodeContents(node);
    const style = getComputedStyle(element);
    const lines = [...range.getClientRects()].filter((line) => line.width > 0);
    const inks = lines.map((line) => ink(line, text, style));
    const colour = element instanceof SVGElement ? style.fill : style.color;
    add(element, text, inks, colour, style, Math.max(...inks.map((box) => beyond(element, box))));
  }
  for (const input of modal.querySelectorAll("input[type=search], input[type=text]")) {
    const style = getComputedStyle(input);
    const hint = input.value === "";
    const text = hint ? input.placeholder : input.value;
    context.font = font(style);
    const room = input.clientWidth - Number.parseFloat(style.paddingLeft) - Number.parseFloat(style.paddingRight);
    const { left, top, right, bottom } = input.getBoundingClientRect();
    const { color } = hint ? getComputedStyle(input, "::placeholder") : style;
    if (text !== "" && input.checkVisibility({ visibilityProperty: true })) {
      add(input, text, [{ left, top, right, bottom }], color, style, context.measureText(text).width - room);
    }
  }
  return found;
}
