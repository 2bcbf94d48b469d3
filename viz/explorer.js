"use strict";

(() => {
  const { make, show } = numbers;
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  const story = JSON.parse(byId("trace").textContent);
  const { nodes, steps, groups, edges, arrays } = story;
  const views = all("template.view").map((template) => ({
    template,
    folded: template.dataset.folded.split(" ").filter(Boolean),
  }));
  const turn = steps.filter((step) => step.phase === "forward").length; // steps before the way back
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // --- what is known after a step --------------------------------------------------------------

  const computed = {}; // by node: after which step its value is known
  const sent = {}; // by node: after which step its rules have run
  const seeded = {}; // by output: after which step its own gradient is there
  for (const id of Object.keys(nodes)) {
    computed[id] = 0;
  }
  for (const [i, step] of steps.entries()) {
    ({ forward: computed, seed: seeded, backward: sent })[step.phase][step.node] = i + 1;
  }

  const known = (id, k) => computed[id] <= k;
  const arrived = (part, k) => sent[part.from] <= k;

  /** How much of a node's gradient is there: none, partial or complete. */
  function gradientState(id, k) {
    const node = nodes[id];
    if (node.gradient === null && node.gradientName === "") {
      return "none";
    }
    const due = node.contributions.length + (id in seeded ? 1 : 0);
    const there =
      node.contributions.filter((part) => arrived(part, k)).length + (seeded[id] <= k ? 1 : 0);
    return there === 0 ? "none" : there < due ? "partial" : "complete";
  }

  /** How many of its contributions are there: `1 of 2`. */
  function share(id, k) {
    const parts = nodes[id].contributions;
    return `${parts.filter((part) => arrived(part, k)).length} of ${parts.length}`;
  }

  // --- state -----------------------------------------------------------------------------------

  let now = 0; // steps that are done
  let view = null; // the picture on show: its element, what is folded, its parts by id
  let chosen = null; // id of the node or group in the panel
  let follows = true; // the panel goes with the steps
  let zoom = 4 / 3;
  let timer = null;
  let panel = null; // what of the panel has to be painted again in another theme

  // --- the picture -----------------------------------------------------------------------------

  /** What is seen of a node in the present picture: itself, its host, or the group it is in. */
  function seen(id) {
    const host = nodes[id]?.host ?? id;
    return view.inside.get(host) ?? host;
  }

  /** Show another picture, with what was at a place in it staying there. */
  function open(next, anchor = null) {
    const graph = byId("graph");
    const before = anchor === null ? null : view?.things.get(anchor)?.getBoundingClientRect();
    const svg = next.template.content.firstElementChild.cloneNode(true);
    view = { ...next, svg, things: new Map(), arrows: new Map(), inside: new Map() };
    for (const group of next.folded) {
      groups[group].members.forEach((member) => view.inside.set(member, group));
    }
    for (const element of all("g.node, g.cluster", svg)) {
      view.things.set(element.id, element);
      find("title", element)?.remove();
      prepare(element);
    }
    for (const element of all("g.edge", svg)) {
      view.arrows.set(element.id, element);
      view.arrows.set(find("title", element).textContent, element);
      find("title", element).remove();
    }
    all("title", svg).forEach((title) => title.remove());
    svg.dataset.width = String(svg.viewBox.baseVal.width);
    svg.dataset.height = String(svg.viewBox.baseVal.height);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", `Graph of ${story.title}`);
    graph.replaceChildren(svg);
    magnify(zoom);
    reachable(view.things.keys().next().value);
    if (before && view.things.has(anchor)) {
      const after = view.things.get(anchor).getBoundingClientRect();
      graph.scrollBy({ left: after.left - before.left, top: after.top - before.top });
    }
    byId("fold-all").disabled = wish(true) === view.template;
    byId("unfold-all").disabled = wish(false) === view.template;
    draw();
  }

  /** Make a thing of the picture something that can be reached and read. */
  function prepare(element) {
    const texts = all("text", element);
    if (element.classList.contains("cluster")) {
      element.dataset.group = element.id;
      texts[0]?.classList.add("fold");
      return;
    }
    element.setAttribute("role", "button");
    element.setAttribute("tabindex", "-1");
    const kinds = { "#4d5560": "size", "#1a1a1a": "value", "#8a2f63": "slope", "#b00020": "reason" };
    texts.forEach((text, i) => {
      const kind = i === 0 ? "title" : (kinds[text.getAttribute("fill")] ?? "value");
      text.classList.add(kind);
      if (kind === "slope") {
        text.dataset.whole = text.textContent;
      }
    });
    element.dataset[element.classList.contains("folded") ? "group" : "node"] = element.id;
  }

  /** Only one node is in the order of the tab key; arrow keys go to the others. */
  function reachable(id) {
    for (const element of view.things.values()) {
      if (element.hasAttribute("tabindex")) {
        element.setAttribute("tabindex", element.id === id ? "0" : "-1");
      }
    }
  }

  /** Set an attribute only where it changes, so that a step costs what it changes. */
  function set(element, name, value) {
    if (element.getAttribute(name) !== value) {
      element.setAttribute(name, value);
    }
  }

  /** Everything in the picture as it is after the present step. */
  function draw() {
    const step = steps[now - 1];
    const at = step ? seen(step.node) : null;
    if (follows && step) {
      chosen = at;
    }
    for (const [id, element] of view.things) {
      if (element.classList.contains("cluster")) {
        continue;
      }
      const members = element.dataset.group ? groups[id].members.filter((m) => m in nodes) : [id];
      const values = members.filter((member) => known(member, now)).length;
      const slopes = new Set(members.map((member) => gradientState(member, now)));
      const state = values === members.length ? "known" : values > 0 ? "partial" : "unknown";
      const slope = slopes.size === 1 ? [...slopes][0] : slopes.has("complete") ? "partial" : "none";
      set(element, "data-state", id === at ? "current" : state);
      set(element, "data-gradient", slope);
      set(element, "data-phase", id === at ? step.phase : "");
      set(element, "aria-current", id === at ? "step" : "false");
      set(element, "aria-pressed", String(id === chosen));
      set(element, "aria-label", spoken(id, state, slope));
      const text = find("text.slope", element);
      if (text && id in nodes) {
        const { gradientName } = nodes[id];
        const said = slope === "partial" ? `${gradientName}: ${share(id, now)}` : text.dataset.whole;
        if (text.textContent !== said) {
          text.textContent = said;
        }
      }
    }
    const lit = new Set((step?.edges ?? []).map(arrow));
    for (const element of new Set(view.arrows.values())) {
      set(element, "data-lit", lit.has(element) ? step.phase : "");
    }
    bar(step);
    inform();
  }

  /** What a screen reader says of a thing. */
  function spoken(id, state, slope) {
    const node = nodes[id];
    if (!node) {
      return `${groups[id].title}, folded: ${groups[id].summary}`;
    }
    const shape = node.shape.length > 0 ? `shape ${node.shape.join(" by ")}` : "scalar";
    const told = slope === "none" ? "" : `, gradient ${slope}`;
    return `${node.title}, ${node.kind}, ${shape}, ${state === "known" ? "computed" : "not yet computed"}${told}`;
  }

  /** The arrow of a use of a value, in a picture where either end may be folded. */
  function arrow(edge) {
    const [tail, head] = edges[edge].map(seen);
    return (
      view.arrows.get(edge) ?? view.arrows.get(`${tail}->${head}`) ?? view.arrows.get(`${head}->${tail}`)
    );
  }

  /** The gradients that a step back adds to. */
  function receivers(step) {
    return [...new Set(step.edges.map((edge) => nodes[edges[edge][0]].gradientName))].join(" and ");
  }

  // --- steps -----------------------------------------------------------------------------------

  /** Slider, line of words, and buttons. */
  function bar(step) {
    const slider = byId("slider");
    slider.value = String(now);
    const name = step ? nodes[step.node].title : "";
    const what = {
      forward: () => name,
      seed: () => `${nodes[step.node].gradientName} = 1`,
      backward: () => `the rule of ${name} gives ${receivers(step)}`,
    };
    const told = step
      ? `step ${now} of ${steps.length} · ${step.phase === "forward" ? "forward" : "backward"} · ${what[step.phase]()}`
      : `step 0 of ${steps.length} · what is given`;
    slider.setAttribute("aria-valuetext", told);
    if (byId("status").textContent !== told) {
      byId("status").textContent = told;
    }
    document.body.dataset.step = String(now);
    document.body.dataset.phase = step?.phase ?? "";
    byId("first").disabled = byId("back").disabled = now === 0;
    byId("last").disabled = byId("forward").disabled = now === steps.length;
  }

  /** Go to a step, and bring it into sight. */
  function go(k) {
    now = Math.max(0, Math.min(steps.length, k));
    draw();
    if (now > 0) {
      reveal(seen(steps[now - 1].node));
    } else {
      byId("graph").scrollTo({ left: byId("graph").scrollLeft, top: 0, behavior: pace() });
    }
    if (now === steps.length) {
      pause();
    }
  }

  /** A step; what happens inside a folded layer, or in one box, is a single one. */
  function move(direction) {
    const at = (k) => (k > 0 && k <= steps.length ? seen(steps[k - 1].node) : null);
    const phase = (k) => steps[k - 1]?.phase;
    let k = now + direction;
    if (direction > 0) {
      while (k < steps.length && at(k + 1) === at(k) && phase(k + 1) === phase(k)) {
        k += 1;
      }
    } else {
      while (k > 0 && at(k) === at(now) && phase(k) === phase(now)) {
        k -= 1;
      }
    }
    go(k);
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    byId("play").textContent = "Play";
  }

  function play() {
    if (timer !== null) {
      pause();
      return;
    }
    if (now === steps.length) {
      go(0);
    }
    byId("play").textContent = "Pause";
    timer = setInterval(() => move(1), 1100);
  }

  // --- zoom and sight --------------------------------------------------------------------------

  const pace = () => (calm.matches ? "auto" : "smooth");

  /** Show the picture at so many CSS pixels for each of its units. */
  function magnify(factor) {
    zoom = Math.max(0.1, Math.min(6, factor));
    view.svg.style.width = `${view.svg.dataset.width * zoom}px`;
    view.svg.style.height = `${view.svg.dataset.height * zoom}px`;
  }

  /** Zoom about a point of the screen. */
  function zoomBy(factor, x, y) {
    const graph = byId("graph");
    const box = graph.getBoundingClientRect();
    const [dx, dy] = [(x ?? box.left + box.width / 2) - box.left, (y ?? box.top + box.height / 2) - box.top];
    const before = zoom;
    magnify(zoom * factor);
    const ratio = zoom / before;
    graph.scrollLeft = (graph.scrollLeft + dx) * ratio - dx;
    graph.scrollTop = (graph.scrollTop + dy) * ratio - dy;
  }

  function fit() {
    const graph = byId("graph");
    magnify(
      Math.min(
        (graph.clientWidth - 16) / view.svg.dataset.width,
        (graph.clientHeight - 16) / view.svg.dataset.height,
        2,
      ),
    );
  }

  /** Scroll so far that a thing is well in sight. */
  function reveal(id) {
    const element = view.things.get(id);
    if (!element) {
      return;
    }
    const graph = byId("graph");
    const box = element.getBoundingClientRect();
    const room = graph.getBoundingClientRect();
    const margin = { x: Math.min(60, room.width / 6), y: Math.min(100, room.height / 4) };
    const past = (low, high, from, to, by) =>
      low < from + by ? low - from - by : high > to - by ? high - to + by : 0;
    const left = past(box.left, box.right, room.left, room.right, margin.x);
    const top = past(box.top, box.bottom, room.top, room.bottom, margin.y);
    if (left !== 0 || top !== 0) {
      graph.scrollBy({ left, top, behavior: pace() });
    }
  }

  // --- folding ---------------------------------------------------------------------------------

  /** The picture among some that differs least from the present one. */
  function nearest(among) {
    const away = (other) =>
      other.folded.filter((g) => !view.folded.includes(g)).length +
      view.folded.filter((g) => !other.folded.includes(g)).length;
    return among.toSorted((one, other) => away(one) - away(other))[0];
  }

  /** Fold a group that is open, or unfold it. */
  function toggle(group) {
    const closed = view.folded.includes(group);
    const next = nearest(views.filter((other) => other.folded.includes(group) !== closed));
    if (!next) {
      byId("status").textContent = `${groups[group].title} is too large to be shown unfolded here`;
      return;
    }
    const focused = document.activeElement?.id === group;
    open(next, group);
    select(group, focused);
  }

  /** The template of the picture with most, or with least, folded. */
  function wish(closed) {
    const size = (other) => other.folded.reduce((n, g) => n + groups[g].members.length, 0);
    const order = views.toSorted((one, other) => size(other) - size(one));
    return (closed ? order[0] : order.at(-1)).template;
  }

  function foldAll(closed) {
    const step = steps[now - 1];
    open(views.find((other) => other.template === wish(closed)));
    if (step) {
      reveal(seen(step.node));
    }
  }

  // --- the panel -------------------------------------------------------------------------------

  /** Put a node or group into the panel, and stay there. */
  function select(id, focus = false) {
    follows = false;
    chosen = id;
    for (const [name, element] of view.things) {
      if (element.hasAttribute("aria-pressed")) {
        set(element, "aria-pressed", String(name === id));
      }
    }
    if (view.things.get(id)?.hasAttribute("tabindex")) {
      reachable(id);
      if (focus) {
        view.things.get(id).focus({ preventScroll: true });
      }
    }
    reveal(seen(id));
    inform();
  }

  /** A formula that was typeset for this page (never text of the user's). */
  function formula(markup) {
    const box = make("div", { class: "formula" });
    box.innerHTML = markup;
    return box;
  }

  /** A button that selects another node. */
  function link(id, text) {
    const button = make("button", { type: "button", class: "link", "data-go": id }, text);
    button.addEventListener("click", () => choose(id));
    return button;
  }

  /** Select a node wherever it is drawn. */
  function choose(id) {
    const shown = seen(id);
    select(shown in groups ? shown : id);
  }

  /** Write the panel for what is chosen, as it is after the present step. */
  function inform() {
    const box = byId("panel");
    const focused = document.activeElement?.dataset?.key;
    panel = null;
    if (chosen === null) {
      box.replaceChildren(
        make("h2", {}, story.title),
        make("p", {}, `${steps.length} steps: forward node by node, then backward. Press → to begin, ? for all keys.`),
      );
    } else {
      box.replaceChildren(...(chosen in groups ? aboutGroup(chosen) : aboutNode(chosen)));
      box.dataset.node = chosen;
    }
    box.prepend(pin());
    if (focused) {
      find(`[data-key="${focused}"]`, box)?.focus();
    }
  }

  function pin() {
    const button = make(
      "button",
      { type: "button", class: "pin", "data-key": "follow", "aria-pressed": String(follows) },
      follows ? "follows the steps" : "follow the steps",
    );
    button.addEventListener("click", () => follow(!follows));
    return button;
  }

  function follow(on) {
    follows = on;
    draw();
    if (on && now > 0) {
      reveal(seen(steps[now - 1].node));
    }
  }

  function folder(group) {
    const closed = view.folded.includes(group);
    const button = make(
      "button",
      { type: "button", "data-key": `fold-${group}` },
      `${closed ? "Unfold" : "Fold"} ${groups[group].title}`,
    );
    button.addEventListener("click", () => toggle(group));
    return button;
  }

  function aboutGroup(id) {
    const group = groups[id];
    const list = make("ul", { class: "members" });
    for (const member of group.members.filter((m) => m in nodes).slice(0, 60)) {
      list.append(make("li", {}, link(member, nodes[member].title)));
    }
    return [make("h2", {}, group.title), make("p", {}, group.summary), folder(id), list];
  }

  function aboutNode(id) {
    const node = nodes[id];
    const there = known(id, now);
    const state = gradientState(id, now);
    const parts = [
      make("h2", { class: node.kind }, node.name || node.title),
      make("p", { class: "kind" }, { param: "parameter", const: "constant", output: "result" }[node.kind] ?? node.kind),
    ];
    if (node.problem) {
      parts.push(make("p", { class: "problem" }, node.problem));
    }
    if (node.formula) {
      parts.push(formula(node.formula));
    }
    if (node.says) {
      parts.push(make("p", { class: "says" }, make("code", {}, node.op), ` ${node.says}`));
    }
    const place = node.scope.length > 0 ? ` · ${node.scope.join(" / ")}` : "";
    const shape = node.shape.length > 0 ? `(${node.shape.join(", ")}${node.shape.length === 1 ? "," : ""})` : "scalar";
    parts.push(make("p", { class: "meta" }, `${shape} ${node.dtype}${place}`));
    if (!there) {
      parts.push(make("p", { class: "wait" }, "not yet computed"));
    }
    const shown = [];
    if (there && node.value !== null) {
      shown.push({ array: arrays[node.value], name: node.name || "value", kind: "value" });
    }
    if (state === "complete" && node.gradient !== null) {
      shown.push({ array: arrays[node.gradient], name: node.gradientName, kind: "slope" });
    }
    if (node.gradientFormula) {
      parts.push(...way(id, state));
    }
    if (shown.length > 0) {
      panel = show(shown);
      parts.push(panel.element);
    }
    const group = Object.keys(groups).find((g) => groups[g].members.includes(id) && view.things.has(g));
    if (group) {
      parts.push(folder(group));
    }
    return parts;
  }

  /** The derivative rule of a node, and what adds up to its gradient. */
  function way(id, state) {
    const node = nodes[id];
    const box = make("section", { class: "way", "data-gradient": state });
    box.append(make("h3", { class: "slope" }, state === "partial" ? `${node.gradientName}: ${share(id, now)} contributions` : "Gradient"));
    box.append(formula(node.gradientFormula));
    if (node.contributions.length > 1) {
      const list = make("ol", { class: "parts" });
      for (const part of node.contributions) {
        const item = make("li", { "data-arrived": String(arrived(part, now)) });
        item.append(formula(part.formula), make("span", {}, "from "), link(part.from, nodes[part.from].name || nodes[part.from].title));
        list.append(item);
      }
      box.append(list);
    }
    return [box];
  }

  // --- search ----------------------------------------------------------------------------------

  let hits = [];
  let hit = -1;

  function search(text) {
    const wanted = text.trim().toLowerCase();
    const fits = ([, node]) => `${node.title} ${node.op}`.toLowerCase().includes(wanted);
    const first = ([, node]) => (node.name.toLowerCase() === wanted ? 0 : node.name.toLowerCase().startsWith(wanted) ? 1 : 2);
    hits = wanted
      ? Object.entries(nodes).filter(fits).toSorted((one, other) => first(one) - first(other)).map(([id]) => id)
      : [];
    hit = -1;
    byId("hits").textContent = wanted ? `${hits.length} found` : "";
    const shown = new Set(hits.map(seen));
    for (const [id, element] of view.things) {
      element.classList.toggle("hit", shown.has(id));
    }
  }

  function nextHit(by) {
    if (hits.length > 0) {
      hit = (hit + by + hits.length) % hits.length;
      byId("hits").textContent = `${hit + 1} of ${hits.length}`;
      choose(hits[hit]);
    }
  }

  // --- light and dark --------------------------------------------------------------------------

  function theme(dark) {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    byId("theme").setAttribute("aria-pressed", String(dark));
    panel?.paint();
  }

  // --- what one does ---------------------------------------------------------------------------

  /** From node to node in the order of the picture. */
  function walk(by) {
    const order = [...view.things.values()].filter((element) => element.hasAttribute("tabindex"));
    const at = order.indexOf(document.activeElement);
    const next = order[Math.max(0, Math.min(order.length - 1, at + by))];
    reachable(next.id);
    next.focus({ preventScroll: true });
    reveal(next.id);
  }

  function press(id) {
    if (id in groups && document.activeElement?.id === id) {
      toggle(id);
    } else {
      select(id);
    }
  }

  const keys = {
    ArrowRight: () => move(1),
    ArrowLeft: () => move(-1),
    Home: () => go(0),
    End: () => go(steps.length),
    " ": play,
    "+": () => zoomBy(1.25),
    "=": () => zoomBy(1.25),
    "-": () => zoomBy(0.8),
    1: () => magnify(4 / 3),
    f: fit,
    t: () => theme(document.documentElement.dataset.theme !== "dark"),
    "?": () => byId("keys").showModal(),
    Escape: () => follow(true),
    "/": () => byId("search").focus(),
  };

  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) {
      return;
    }
    const graph = target.closest("#graph");
    if (target === byId("search")) {
      if (key === "Enter") {
        nextHit(event.shiftKey ? -1 : 1);
      } else if (key === "Escape") {
        target.value = "";
        search("");
        target.blur();
      }
      return;
    }
    if (graph && (key === "ArrowDown" || key === "ArrowUp")) {
      walk(key === "ArrowDown" ? 1 : -1);
    } else if (target.closest("g[tabindex]") && key === "Enter") {
      press(target.closest("g[tabindex]").id);
    } else if (key === " " && target.closest("button")) {
      return; // a button presses itself
    } else if (target === byId("slider") && (key.startsWith("Arrow") || key === "Home" || key === "End")) {
      return; // and a slider slides
    } else if (key in keys) {
      keys[key]();
    } else {
      return;
    }
    event.preventDefault();
  });

  /** Clicks on the picture select; twice on a layer folds; dragging moves the picture. */
  function listen() {
    const graph = byId("graph");
    let grip = null;
    graph.addEventListener("click", (event) => {
      const thing = event.target.closest("g.node, text.fold");
      if (thing && !grip?.moved) {
        const id = thing.closest("g.node, g.cluster").id;
        select(id);
      }
    });
    graph.addEventListener("dblclick", (event) => {
      const group = event.target.closest("g.folded, g.cluster:has(text.fold)");
      if (group && (group.classList.contains("folded") || event.target.closest("g.node") === null)) {
        toggle(group.id);
      }
    });
    graph.addEventListener("pointerdown", (event) => {
      grip = { x: event.clientX, y: event.clientY, left: graph.scrollLeft, top: graph.scrollTop, moved: false };
    });
    window.addEventListener("pointermove", (event) => {
      if (grip && event.buttons === 1) {
        const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
        grip.moved ||= Math.hypot(dx, dy) > 4;
        if (grip.moved) {
          graph.classList.add("dragged");
          graph.scrollLeft = grip.left - dx;
          graph.scrollTop = grip.top - dy;
        }
      }
    });
    window.addEventListener("pointerup", () => graph.classList.remove("dragged"));
    graph.addEventListener(
      "wheel",
      (event) => {
        if (event.ctrlKey || event.metaKey || !event.shiftKey) {
          event.preventDefault();
          zoomBy(Math.exp(-event.deltaY / 600), event.clientX, event.clientY);
        }
      },
      { passive: false },
    );
    const buttons = {
      first: () => go(0),
      back: () => move(-1),
      play,
      forward: () => move(1),
      last: () => go(steps.length),
      "fold-all": () => foldAll(true),
      "unfold-all": () => foldAll(false),
      "zoom-in": () => zoomBy(1.25),
      "zoom-out": () => zoomBy(0.8),
      "zoom-one": () => magnify(4 / 3),
      fit,
      theme: keys.t,
      help: keys["?"],
    };
    for (const [id, action] of Object.entries(buttons)) {
      byId(id).addEventListener("click", action);
    }
    byId("slider").addEventListener("input", (event) => go(Number(event.target.value)));
    byId("search").addEventListener("input", (event) => search(event.target.value));
  }

  function start() {
    const slider = byId("slider");
    slider.max = String(steps.length);
    document.body.style.setProperty("--turn", String(steps.length ? turn / steps.length : 1));
    byId("half-backward").hidden = turn === steps.length;
    const layered = Object.keys(groups).length > 0;
    byId("fold-all").hidden = byId("unfold-all").hidden = !layered;
    theme(matchMedia("(prefers-color-scheme: dark)").matches);
    listen();
    open(views[0]);
    const graph = byId("graph");
    graph.scrollLeft = (graph.scrollWidth - graph.clientWidth) / 2;
  }

  start();
})();
