"use strict";

/** The search: a text finds layers that are drawn, and nodes by name, formula, op, gradient or layer. */
const search = (() => {
  const { nodes, groups } = story;

  /** How well a name, or else what is said of its bearer, matches: the less the better. */
  function rank(wanted, name, more) {
    const own = name.toLowerCase();
    const within = `${own} ${more}`.toLowerCase().includes(wanted);
    return own === wanted ? 0 : own.startsWith(wanted) ? 1 : within ? 2 : Infinity;
  }

  /** The ids of what matches, the best first; where nothing does, of what is in a layer so called. */
  function find(text) {
    const wanted = text.trim().toLowerCase();
    if (wanted === "") {
      return [];
    }
    const layers = [...picture.things().keys()].filter((id) => id in groups);
    const found = [
      ...layers.map((id) => [rank(wanted, groups[id].title, ""), id]),
      ...Object.entries(nodes).map(([id, { name, title, op, gradientName }]) => [
        rank(wanted, name, `${title} ${op} ${gradientName}`),
        id,
      ]),
    ].filter(([place]) => place < Infinity);
    const inside = ([, { scope }]) => scope.some((name) => name.toLowerCase().includes(wanted));
    return found.length > 0
      ? found.sort(([one], [other]) => one - other).map(([, id]) => id)
      : Object.entries(nodes).filter(inside).map(([id]) => id);
  }

  return { find };
})();
