"use strict";

/** The panel: one node or group, as it is after a step. */
const panel = (() => {
  const { make, button } = elements;
  const { typeset: formula, fit } = formulas;
  const { nodes, groups, arrays } = story;
  const PARTS = 12; // contributions that are listed
  const DRAWN = 4; // contributions whose numbers are shown
  const MEMBERS = 60; // of a group that are listed
  const BEFORE = 3; // of these before the present step
  const FIXED = "A constant array stays as it was recorded. Its numbers can be changed where it has a name, names=locals(), or is a Tensor.";
  const KINDS = {
    param: "parameter",
    input: "input",
    const: "constant",
    op: "op",
    output: "result",
    folded: "folded layer",
    gradient: "gradient",
    "problem origin": "a problem that begins here",
    "problem": "a problem that came from elsewhere",
  };
  const box = document.getElementById("panel");
  let written = ""; // what is there, so that the same is not written again
  let paint = () => undefined;

  /**
   * Write the panel.
   *
   * @param id of a node or group; null for what is said before the first step.
   * @param k after which step.
   * @param follows whether the panel goes with the steps.
   * @param act what its buttons do: choose(id), toggle(group), follow(on).
   */
  function write(id, k, follows, act) {
    const there = id in nodes ? Object.values(story.progress(id, k)).join(" ") : story.steps[k - 1]?.node;
    const parts = id in nodes ? `${story.share(id, k)} ${story.rules(id, k).done}` : "";
    const ways = Object.keys(groups).filter((group) => picture.closed(group)).join(" ");
    const wanted = [id, there, parts, follows, ways].join("|");
    if (wanted === written) {
      return;
    }
    const same = box.dataset.node === id;
    const key = document.activeElement?.dataset?.key;
    written = wanted;
    paint = () => undefined;
    const pin = button(follows ? "Stay here" : "Follow the steps", "follow", () => act.follow(!follows), {
      class: follows ? "pin" : "pin wanted",
      title: follows ? "Keep this in the panel while stepping" : "Back to the present step (Esc)",
    });
    const about = id === null ? start() : id in groups ? group(id, k, act) : node(id, k, act, same);
    box.dataset.node = id ?? "";
    box.replaceChildren(...[id !== null && pin, ...about].filter(Boolean));
    box.querySelectorAll(".formula").forEach(fit);
    if (!same) {
      box.scrollTop = 0;
    }
    if (key) {
      [...box.querySelectorAll("[data-key]")].find((element) => element.dataset.key === key)?.focus();
    }
  }

  /** Before the first step: what the colours mean. */
  function start() {
    const all = Object.values(nodes);
    const sloped = all.some((one) => one.gradientName !== "");
    const there = new Set(all.flatMap(({ kind, problem, origin }) => [kind, problem && `problem${origin ? " origin" : ""}`]));
    there.add(picture.ways.some(({ folded }) => folded.length > 0) && "folded").add(sloped && "gradient");
    const legend = Object.entries(KINDS).filter(([kind]) => there.has(kind));
    const what = sloped ? "forward node by node, then backward" : "forward node by node";
    return [
      make("h2", {}, story.title),
      make("p", {}, story.steps.length > 0
        ? `${story.steps.length} steps: ${what}. Press → to begin, ? for all keys.`
        : "Nothing is computed here, so there are no steps. Press ? for all keys."),
      make("ul", { class: "kinds" }, ...legend.map(([kind, text]) => make("li", {}, make("span", { class: `swatch ${kind}` }), text))),
    ];
  }

  /** A button that selects a node. */
  const link = (id, text, act) => button(text, `go-${id}`, () => act.choose(id), { class: "link", "data-go": id });

  /** Buttons that fold or unfold groups. */
  function folders(ids, act) {
    const able = ids.filter((id) => picture.toggled(id));
    return make("p", { class: "buttons" }, ...able.map((id) =>
      button(`${picture.closed(id) ? "Unfold" : "Fold"} ${groups[id].title}`, `fold-${id}`, () => act.toggle(id)),
    ));
  }

  /** A group: what it does, and its members; of very many those about the present step. */
  function group(id, k, act) {
    const { title, summary, formula: text, shapes, owned, members } = groups[id];
    const list = members.filter((member) => member in nodes);
    const at = list.indexOf(story.steps[k - 1]?.node);
    const begin = Math.max(0, Math.min(at - BEFORE, list.length - MEMBERS));
    const end = Math.min(list.length, begin + MEMBERS);
    const more = [begin && `${begin} before these`, list.length - end && `${list.length - end} after these`];
    const rest = more.filter(Boolean).join(" and ");
    return [
      make("h2", {}, title),
      ...[text, summary, shapes, owned].filter(Boolean).map((line) => make("p", line === text ? {} : { class: "meta" }, line)),
      folders([id], act),
      make("ul", { class: "members" }, ...list.slice(begin, end).map((member, i) =>
        make("li", begin + i === at ? { "aria-current": "step" } : {}, link(member, nodes[member].title, act)),
      )),
      rest && make("p", { class: "meta" }, `and ${rest}; the search finds all by name or formula`),
    ];
  }

  /** Of a node in a folded layer: which one that is. */
  function inside(id, act) {
    const shown = picture.seen(id);
    return shown in groups
      ? make("p", { class: "inside" }, "drawn inside ", link(shown, groups[shown].title, act))
      : null;
  }

  function node(id, k, act, same) {
    const one = nodes[id];
    const there = story.known(id, k);
    const state = story.gradient(id, k);
    const shape = one.shape.length > 0 ? `(${one.shape.join(", ")}${one.shape.length === 1 ? "," : ""})` : "scalar";
    const meta = [KINDS[one.kind], `${shape} ${one.dtype}`, one.scope.join(" / ")].filter(Boolean).join(" · ");
    const arrived = one.contributions.filter((part) => story.arrived(part, k));
    const parts = one.contributions.length > 1 ? arrived.slice(0, DRAWN) : [];
    const shown = [
      ...(there ? [{ at: one.value, name: one.name || "value", kind: "value" }] : []),
      ...(state === "complete" ? [{ at: one.gradient, name: one.gradientName, kind: "slope" }] : []),
      ...parts.map((part) => ({ at: part.value, name: one.gradientName, kind: "part", part, more: arrived.length > DRAWN })),
    ].filter(({ at }) => at !== null).map((part) => ({ ...part, array: arrays[part.at] }));
    const drawn = numbers.show(shown, same);
    ({ paint } = drawn);
    const sections = drawn.drawn.map((element, i) => [shown[i], element]);
    const inner = new Map(sections.filter(([{ kind }]) => kind === "part").map(([{ part }, element]) => [part, element]));
    const main = sections.filter(([{ kind }]) => kind !== "part").map(([{ kind, name }, element]) =>
      make("section", { class: kind, "data-kind": kind }, make("h3", { class: kind }, name), element),
    );
    const within = Object.keys(groups).filter((g) => groups[g].members.includes(id));
    return [
      one.name || !one.formula ? make("h2", {}, story.called(id)) : formula(one.formula, "h2"),
      make("p", { class: "meta" }, meta),
      inside(id, act),
      one.problem ? make("p", { class: one.origin ? "problem origin" : "problem" }, one.problem) : null,
      one.name && one.op ? formula(one.formula) : null,
      one.says ? make("p", { class: "says" }, make("code", {}, one.op), ` ${one.says}`) : null,
      ...rules(story.rules(id, k)),
      there ? null : make("p", { class: "wait" }, "not yet computed"),
      make("div", { class: "arrays" }, ...main),
      drawn.line,
      one.kind === "const" && story.live.why === "" ? make("p", { class: "meta" }, FIXED) : null,
      one.gradientFormula ? way(id, k, state, inner, act) : null,
      ...around.write(id, act.choose),
      folders(within, act),
    ];
  }

  /** The contributions of an op's rule to what it reads. */
  function rules({ all, done }) {
    const more = all.length - PARTS;
    return all.length === 0 ? [] : [
      make("h3", { class: "slope" }, "Its rule gives"),
      make("div", { class: "rules", "data-done": String(done) }, ...all.slice(0, PARTS).map((rule) => formula(rule.formula))),
      more > 0 ? make("p", { class: "meta" }, `and ${more} more`) : null,
    ];
  }

  /** The gradient of a node, and what adds up to its gradient. */
  function way(id, k, state, drawn, act) {
    const { gradientName, gradientFormula, simpler, contributions } = nodes[id];
    const many = contributions.length > 1;
    const words = {
      none: "not there yet",
      partial: story.share(id, k),
      complete: many ? `the sum of ${contributions.length} terms` : "",
    };
    const list = make("ol", { class: "parts" });
    for (const part of many ? contributions.slice(0, PARTS) : []) {
      const from = make("p", { class: "meta" }, "from ", link(part.from, story.called(part.from), act));
      const item = make("li", { "data-arrived": String(story.arrived(part, k)) }, formula(part.formula), from);
      item.append(...(drawn.has(part) ? [drawn.get(part)] : []));
      list.append(item);
    }
    const more = contributions.length - PARTS;
    return make(
      "section",
      { class: "way", "data-gradient": state },
      make("h3", { class: "slope" }, `Gradient ${gradientName}`, make("span", { class: "meta" }, ` ${words[state]}`)),
      formula(gradientFormula),
      list,
      more > 0 ? make("p", { class: "meta" }, `and ${more} more`) : "",
      ...(simpler ? [make("p", { class: "meta" }, "simplified:"), formula(simpler)] : []),
    );
  }

  let width = box.clientWidth;
  new ResizeObserver(() => {
    if (box.clientWidth !== width) {
      width = box.clientWidth;
      box.querySelectorAll(".formula").forEach(fit);
    }
  }).observe(box);

  return { write, paint: () => paint(), forget: () => (written = "") };
})();
