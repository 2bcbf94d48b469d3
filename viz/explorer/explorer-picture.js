"use strict";

/** The pictures: one for each way to fold; which nodes and arrows of it light up; zoom and sight. */
const picture = (() => {
  const { shape } = elements;
  const frame = document.getElementById("graph");
  const ways = [...document.querySelectorAll("template.view")].map((template) => ({
    template,
    folded: template.dataset.folded.split(" ").filter(Boolean),
  }));
  const order = new Map(Object.keys(story.nodes).map((id, i) => [id, i]));
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const LEAST = 12 / 11; // CSS pixels per point at which the smallest text (11 pt) has 12 pixels
  const MOST = 1.4; // CSS pixels per point by itself: titles of 20 pixels
  const NATURAL = 4 / 3; // CSS pixels per point

  let view = null; // on show: the element, what is folded, things and arrows by id
  let zoom = NATURAL;
  let fitted = { zoom: 0, way: 0 }; // the zoom that `fit` chose, and which of its ways
  let own = false; // the zoom is the reader's own choice
  let unmeasured = false; // it went on show where nothing has a size, as in a hidden frame

  // --- a picture goes on show --------------------------------------------------------------------

  /** The thing that is seen of a node: itself, the box it is drawn in, or the folded group it is in. */
  function seen(id) {
    const host = story.nodes[id]?.host ?? id;
    return view.inside.get(host) ?? host;
  }

  /** Show another picture; the thing that is the anchor stays where it is on the screen. */
  function open(way, anchor = null) {
    const before = view?.things.get(anchor)?.getBoundingClientRect();
    const svg = way.template.content.firstElementChild.cloneNode(true);
    view = { ...way, svg, things: new Map(), arrows: new Map(), inside: new Map() };
    for (const group of way.folded) {
      story.groups[group].members.forEach((member) => view.inside.set(member, group));
    }
    for (const element of svg.querySelectorAll("g.edge")) {
      view.arrows.set(element.id, element);
      view.arrows.set(element.querySelector("title").textContent, element);
    }
    // From node to node in the order of the computation; a layer comes before what is in it.
    const first = (id) => order.get(story.groups[id]?.members[0] ?? id) - (id in story.groups ? 0.5 : 0);
    [...svg.querySelectorAll("g.node, g.cluster")]
      .sort((one, other) => first(one.id) - first(other.id))
      .forEach((element) => view.things.set(element.id, element));
    svg.querySelectorAll("title").forEach((title) => title.remove());
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", `Graph of ${story.title}`);
    frame.replaceChildren(svg);
    unmeasured = frame.clientWidth === 0;
    settle([...view.things.values()]);
    if (own) {
      magnify(zoom);
    } else {
      suit();
    }
    reachable(view.things.keys().next().value);
    const after = before && view.things.get(anchor)?.getBoundingClientRect();
    if (after) {
      frame.scrollBy({ left: after.left - before.left, top: after.top - before.top });
    }
  }

  /** Name the lines of each box, and spread them evenly, where they have a size. */
  function settle(things) {
    const body = "polygon:not([fill=none]), path:not([fill=none]), ellipse:not([fill=none])";
    const boxes = things.map((element) => element.querySelector(body)?.getBBox());
    const heads = things.map((element) => element.querySelector("text")?.getBBox());
    things.forEach((element, i) => {
      element.setAttribute("role", "button");
      const texts = [...element.querySelectorAll("text")];
      if (element.classList.contains("cluster")) {
        element.dataset.group = element.id;
        element.setAttribute("aria-label", `${story.groups[element.id].title}, open`);
        element.setAttribute("aria-expanded", "true");
        texts[0]?.classList.add("fold");
        if (!unmeasured) {
          texts[0]?.before(mark(heads[i]));
        }
        return;
      }
      const folded = element.id in story.groups;
      element.dataset[folded ? "group" : "node"] = element.id;
      const members = story.groups[element.id]?.members ?? [element.id];
      element.classList.toggle("origin", members.some((id) => story.nodes[id]?.origin));
      const kinds = { "#4d5560": "size", "#8a2f63": "slope", "#b00020": "reason" };
      const rest = folded ? "result" : "value"; // a layer has a formula there
      texts.forEach((text, k) => {
        const title = k === 0 || Number(text.getAttribute("font-size")) > 12; // it may be two lines
        text.classList.add(title ? "title" : (kinds[text.getAttribute("fill")] ?? rest));
      });
      // Of a folded layer's gradients tells the ground of its last line, that of its parameters.
      const grounded = texts.filter(({ classList }) => classList.contains(folded ? "size" : "slope")).at(-1);
      if (!unmeasured) {
        spread(texts, boxes[i], grounded, heads[i].width);
      }
    });
  }

  /** The ground of a title that was found. */
  const mark = ({ x, y, width, height }) =>
    shape("rect", { class: "mark", x: x - 4, y, width: width + 8, height, rx: 3 });

  /** Lines one below the other in the middle of a box; the gradient's has a ground of its own. */
  function spread(texts, box, grounded, titleWidth) {
    const sizes = texts.map((text) => Number(text.getAttribute("font-size")));
    const full = sizes.reduce((sum, size) => sum + 1.3 * size, 0);
    const line = 1.3 * Math.min(1, (box.height - 8) / full); // in font sizes
    const middle = box.x + box.width / 2;
    let top = box.y + (box.height - (full * line) / 1.3) / 2;
    texts.forEach((text, i) => {
      const height = line * sizes[i];
      text.setAttribute("text-anchor", "middle");
      text.setAttribute("x", String(middle));
      text.setAttribute("y", String(top + height / 2 + 0.35 * sizes[i]));
      if (i === 0) {
        text.before(mark({ x: middle - titleWidth / 2, y: top, width: titleWidth, height }));
      }
      if (text === grounded) {
        text.dataset.whole = text.textContent;
        const [x, y, width] = [box.x + 6, top + 1, box.width - 12];
        text.before(shape("rect", { class: "ground", x, y, width, height: height - 1, rx: 4 }));
      }
      top += height;
    });
  }

  /** Only one thing is in the order of the tab key; arrow keys go to the others. */
  function reachable(id) {
    for (const [name, element] of view.things) {
      set(element, "tabindex", name === id ? "0" : "-1");
    }
  }

  // --- what is there after a step ----------------------------------------------------------------

  /** Set an attribute only where it changes, so that a step costs what it changes. */
  function set(element, name, value) {
    if (element.getAttribute(name) !== value) {
      element.setAttribute(name, value);
    }
  }

  /** Everything as it is after step k; `chosen` is in the panel. */
  function paint(k, chosen) {
    const step = story.steps[k - 1];
    const at = step ? seen(step.node) : null;
    const pressed = view.things.has(chosen) ? chosen : seen(chosen);
    for (const [id, element] of view.things) {
      set(element, "aria-pressed", String(id === pressed));
      if (element.classList.contains("cluster")) {
        continue;
      }
      const there = story.progress(id, k);
      set(element, "data-state", id === at ? "current" : there.value);
      set(element, "data-value", there.value); // a step within its box is at work before it is there
      set(element, "data-gradient", there.gradient);
      set(element, "data-phase", id === at ? step.phase : "");
      set(element, "aria-current", id === at ? "step" : "false");
      set(element, "aria-label", story.spoken(id, there));
      const text = element.querySelector("text.slope");
      if (text) {
        const said = there.gradient === "partial" ? story.share(id, k) : text.dataset.whole;
        if (text.textContent !== said) {
          text.textContent = said;
        }
      }
    }
    const lit = new Set(usesAt(k).map(arrow));
    for (const element of view.arrows.values()) {
      if (lit.has(element) && step.phase === "backward") {
        turn(element);
      }
      set(element, "data-lit", lit.has(element) ? step.phase : "");
    }
  }

  /** Whether two steps are seen as one: in the same box, on the same way. */
  const asOne = (one, other) => one.phase === other.phase && seen(one.node) === seen(other.node);

  /** The uses of values up to step k that are seen as one step with it, outside of its box. */
  function usesAt(k) {
    const edges = [];
    for (let i = k; i > 0 && asOne(story.steps[i - 1], story.steps[k - 1]); i -= 1) {
      for (const edge of story.steps[i - 1].edges) {
        const [tail, head] = story.edges[edge];
        if (seen(tail) !== seen(head)) {
          edges.push(edge);
        }
      }
    }
    return edges;
  }

  /** The arrow of a use of a value, in a picture where either end may be folded. */
  function arrow(edge) {
    const [tail, head] = story.edges[edge].map(seen);
    const between = [`${tail}->${head}`, `${head}->${tail}`];
    return view.arrows.get(edge) ?? view.arrows.get(between[0]) ?? view.arrows.get(between[1]);
  }

  /** Give an arrow its counterpart for the way back, from the result to what it was made of. */
  function turn(edge) {
    const line = edge.querySelector("path");
    const head = edge.querySelector("polygon");
    if (!line || !head || edge.querySelector(".back")) {
      return;
    }
    const length = line.getTotalLength();
    const count = Math.max(8, Math.round(length / 6));
    const along = Array.from({ length: count + 1 }, (_, i) =>
      line.getPointAtLength((i * length) / count),
    );
    const far = (p, q) => Math.hypot(p.x - q.x, p.y - q.y);
    const corners = [...head.points];
    if (far(corners[0], along[0]) < far(corners[0], along.at(-1))) {
      along.reverse(); // drawn from right to left: its head is at the first point
    }
    const tip = corners.reduce((one, other) =>
      far(one, along.at(-1)) > far(other, along.at(-1)) ? one : other,
    );
    const [end] = along;
    const from = along.find((point) => far(point, end) >= 9) ?? tip;
    const [dx, dy] = [(from.x - end.x) / far(from, end), (from.y - end.y) / far(from, end)];
    const side = (by) => `${end.x + 10 * dx - by * dy},${end.y + 10 * dy + by * dx}`;
    const rest = along.filter((point) => far(point, end) > 9).concat(tip);
    edge.append(
      shape(
        "g",
        { class: "back" },
        shape("polyline", { points: rest.map(({ x, y }) => `${x},${y}`).reverse().join(" ") }),
        shape("polygon", { points: `${end.x},${end.y} ${side(5)} ${side(-5)}` }),
      ),
    );
  }

  // --- zoom and sight ----------------------------------------------------------------------------

  /** Show the picture at so many CSS pixels per point. */
  function magnify(factor) {
    const { width, height } = view.svg.viewBox.baseVal;
    zoom = Math.max(0.1, Math.min(6, factor));
    view.svg.style.width = `${width * zoom}px`;
    view.svg.style.height = `${height * zoom}px`;
  }

  /** The zoom by itself: the whole width, as far as text stays readable and several boxes in sight. */
  function suit() {
    const fits = frame.clientWidth / view.svg.viewBox.baseVal.width;
    magnify(Math.max(LEAST, Math.min(innerWidth / 850, MOST, fits)));
    frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
  }

  /** Zoom by a factor, about a point of the screen. */
  function zoomBy(factor, x, y) {
    const box = frame.getBoundingClientRect();
    const dx = (x ?? box.left + box.width / 2) - box.left;
    const dy = (y ?? box.top + box.height / 2) - box.top;
    const before = zoom;
    own = true;
    magnify(zoom * factor);
    frame.scrollLeft = ((frame.scrollLeft + dx) * zoom) / before - dx;
    frame.scrollTop = ((frame.scrollTop + dy) * zoom) / before - dy;
  }

  /** All of the picture in sight; asked again its width, then its height. */
  function fit() {
    const { width, height } = view.svg.viewBox.baseVal;
    const [across, down] = [frame.clientWidth / width, frame.clientHeight / height].map((by) => Math.min(by, 2));
    const ways = [Math.min(across, down), across, down];
    const begin = fitted.zoom === zoom ? fitted.way + 1 : 0;
    const way = ways.findIndex((by, i) => i >= begin && (i === 0 || by > ways[0]));
    own = true;
    magnify(ways[Math.max(way, 0)]);
    fitted = { zoom, way: Math.max(way, 0) };
  }

  /** Scroll so far that a thing is well in sight, from where one is or from elsewhere. */
  function reveal(id, { left, top } = { left: frame.scrollLeft, top: frame.scrollTop }) {
    const element = view.things.get(id);
    if (!element) {
      return;
    }
    const box = element.getBoundingClientRect();
    const room = frame.getBoundingClientRect();
    const past = (low, high, size, by) => (low < by ? low - by : high > size - by ? high - size + by : 0);
    const x = box.left - room.left + frame.scrollLeft - left;
    const y = box.top - room.top + frame.scrollTop - top;
    const to = {
      left: left + past(x, x + box.width, room.width, Math.min(60, room.width / 6)),
      top: top + past(y, y + box.height, room.height, Math.min(120, room.height / 4)),
    };
    if (to.left !== frame.scrollLeft || to.top !== frame.scrollTop) {
      frame.scrollTo({ ...to, behavior: calm.matches ? "auto" : "smooth" });
    }
  }

  /** The view one begins with: the top of the picture, as far as a thing is in sight then. */
  function begin(id) {
    reveal(id, { left: (frame.scrollWidth - frame.clientWidth) / 2, top: 0 });
  }

  // --- folding -----------------------------------------------------------------------------------

  /** The way to fold that has a group open or closed and differs least from the present one. */
  function toggled(group) {
    const closed = view.folded.includes(group);
    const { members } = story.groups[group];
    const holds = (other) => other.length > members.length && other.includes(members[0]);
    const opens = (way) => !way.folded.some((g) => g === group || holds(story.groups[g].members)); // in a larger one, too
    const away = (way) =>
      way.folded.filter((g) => !view.folded.includes(g)).length +
      view.folded.filter((g) => !way.folded.includes(g)).length;
    return ways
      .filter((way) => (closed ? opens(way) : way.folded.includes(group)))
      .sort((one, other) => away(one) - away(other))[0];
  }

  /** The way with the most, or with the least, folded. */
  function extreme(closed) {
    const size = (way) => way.folded.reduce((n, g) => n + story.groups[g].members.length - 1, 0);
    return [...ways].sort((one, other) => (closed ? size(other) - size(one) : size(one) - size(other)))[0];
  }

  return {
    frame,
    ways,
    open,
    paint,
    seen,
    asOne,
    reveal,
    begin,
    reachable,
    suit: () => (own ? undefined : suit()),
    zoomBy,
    natural: () => zoomBy(NATURAL / zoom),
    fit,
    toggled,
    extreme,
    things: () => view.things,
    closed: (group) => view.folded.includes(group),
    shows: (way) => way.template === view.template,
    unmeasured: () => unmeasured,
    way: () => ways.find(({ template }) => template === view.template),
  };
})();
