"use strict";

(() => {
  const { steps, groups, nodes } = story;
  const byId = (id) => document.getElementById(id);
  let now = 0; // steps that are done
  let chosen = null; // id of the node or group in the panel
  let follows = true; // the panel goes with the steps
  let timer = null;

  // --- showing the state -------------------------------------------------------------------------

  /** Everything as it is after the present step. */
  function show() {
    const step = steps[now - 1];
    if (follows) {
      chosen = step ? picture.seen(step.node) : null;
    }
    picture.paint(now, chosen);
    picture.frame.classList.toggle("follows", follows);
    panel.write(chosen, now, follows, { choose, toggle, follow });
    const slider = byId("slider");
    const words = story.words(now);
    slider.value = String(now);
    slider.setAttribute("aria-valuetext", words);
    say(words);
    document.body.dataset.step = String(now);
    document.body.dataset.phase = step?.phase ?? "";
    able();
  }

  /** Disable what has nothing to do; the focus goes on to its counterpart. */
  function able() {
    const focused = document.activeElement;
    const [begin, end] = [now === 0, now === steps.length];
    const controls = {
      first: [begin, "forward"],
      back: [begin, "forward"],
      forward: [end, "back"],
      last: [end, "back"],
      "fold-all": [picture.shows(picture.extreme(true)), "unfold-all"],
      "unfold-all": [picture.shows(picture.extreme(false)), "fold-all"],
    };
    for (const [id, [idle]] of Object.entries(controls)) {
      byId(id).disabled = idle;
    }
    if (focused?.disabled) {
      byId(controls[focused.id][1]).focus();
    }
  }

  function say(words) {
    if (byId("status").textContent !== words) {
      byId("status").textContent = words;
    }
  }

  // --- steps -------------------------------------------------------------------------------------

  /** Go to a step, and bring it into sight. */
  function go(k) {
    now = Math.max(0, Math.min(steps.length, k));
    show();
    sight();
    if (now === steps.length) {
      pause();
    }
  }

  /** Bring what the present step is about into sight. */
  function sight() {
    if (now > 0) {
      picture.reveal(picture.seen(steps[now - 1].node));
    } else {
      begin();
    }
  }

  /** The view before the first step: what that one reads is in sight. */
  function begin() {
    const [first] = steps;
    picture.begin(first ? picture.seen(nodes[first.node].inputs[0] ?? first.node) : Object.keys(nodes)[0]);
  }

  /** A step; what happens inside a folded layer, or in one box, is a single one. */
  function move(by) {
    const same = (one, other) => picture.asOne(steps[one - 1], steps[other - 1]);
    const least = by > 0 ? 1 : 0;
    let k = now + by;
    if (by > 0) {
      while (k < steps.length && same(k + 1, k)) {
        k += 1;
      }
    } else {
      while (k > least && same(k, now)) {
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
    if (timer !== null || steps.length === 0) {
      pause();
      return;
    }
    if (now === steps.length) {
      go(0);
    }
    byId("play").textContent = "Pause";
    timer = setInterval(() => move(1), Number(byId("pace").value)); // milliseconds for a step
  }

  // --- choosing and folding ----------------------------------------------------------------------

  /** Put what is shown as a thing of the picture into the panel, and stay there. */
  function select(id) {
    follows = false;
    chosen = id;
    show();
  }

  /** Select what was pointed at; it is shown where another sheet is beside the graph, too. */
  function pick(id) {
    select(id);
    document.dispatchEvent(new CustomEvent("picked"));
  }

  /** Choose a node wherever it is drawn; of one in a folded layer the panel tells all the same. */
  function choose(id) {
    const shown = picture.seen(id);
    select(id);
    picture.reachable(shown);
    picture.reveal(shown);
  }

  /** Let the panel go with the steps again, or stay. */
  function follow(on) {
    follows = on;
    show();
    if (on && now > 0) {
      picture.reveal(picture.seen(steps[now - 1].node));
    }
  }

  /** Show the picture in another way to fold; the anchor stays in sight. */
  function open(way, anchor = null) {
    const focused = document.activeElement?.closest("#graph [tabindex]")?.id;
    picture.open(way, anchor);
    seek(byId("search").value);
    if (chosen in groups && !picture.things().has(chosen)) {
      chosen = groups[chosen].members[0];
    }
    show();
    const sight = anchor ?? (now > 0 ? picture.seen(steps[now - 1].node) : null);
    const shown = picture.things().has(sight) ? sight : picture.seen(groups[sight]?.members[0]);
    if (focused) {
      const near = [focused, picture.seen(focused), shown, ...picture.things().keys()];
      const next = near.find((id) => picture.things().has(id));
      picture.reachable(next);
      picture.things().get(next)?.focus({ preventScroll: true });
    }
    if (now === 0 && anchor === null) {
      begin();
    } else {
      picture.reveal(shown);
    }
  }

  /** Fold a group that is open, or unfold it. */
  function toggle(group) {
    const way = picture.toggled(group);
    if (way) {
      open(way, group);
    } else {
      say(`${groups[group].title} can't be ${picture.closed(group) ? "unfolded" : "folded"} here`);
    }
  }

  // --- search ------------------------------------------------------------------------------------

  let hits = [];
  let hit = -1;

  /** Mark what a text finds. */
  function seek(text) {
    hits = search.find(text);
    hit = -1;
    byId("hits").textContent = text.trim() ? `${hits.length} found` : "";
    const shown = new Set(hits.map(picture.seen));
    picture.things().forEach((element, id) => element.classList.toggle("hit", shown.has(id)));
  }

  function nextHit(by) {
    if (hits.length > 0) {
      hit = hit < 0 && by < 0 ? hits.length - 1 : (hit + by + hits.length) % hits.length;
      byId("hits").textContent = `${hit + 1} of ${hits.length}`;
      choose(hits[hit]);
    }
  }

  // --- light and dark ----------------------------------------------------------------------------

  const isDark = () => document.documentElement.dataset.theme === "dark";

  function theme(dark) {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    byId("theme").textContent = dark ? "Light" : "Dark";
    panel.paint();
  }

  // --- keys --------------------------------------------------------------------------------------

  /** From thing to thing of the picture. */
  function walk(by) {
    const order = [...picture.things().keys()];
    const at = order.indexOf(document.activeElement.id);
    const next = order[Math.max(0, Math.min(order.length - 1, at + by))];
    picture.reachable(next);
    picture.things().get(next).focus({ preventScroll: true });
    picture.reveal(next);
  }

  const keys = {
    ArrowRight: () => move(1),
    ArrowLeft: () => move(-1),
    Home: () => go(0),
    End: () => go(steps.length),
    " ": play,
    "+": () => picture.zoomBy(1.25),
    "=": () => picture.zoomBy(1.25),
    "-": () => picture.zoomBy(0.8),
    1: picture.natural,
    f: picture.fit,
    t: () => theme(!isDark()),
    "?": () => byId("keys").showModal(),
    Escape: () => follow(true),
    "/": () => byId("search").focus(),
  };

  /** In the search box only these keys mean something. */
  function searching({ key, shiftKey, target }) {
    if (key === "Enter") {
      nextHit(shiftKey ? -1 : 1);
    } else if (key === "Escape") {
      target.value = "";
      seek("");
      target.blur();
    } else {
      return false;
    }
    return true;
  }

  /** Do what a key means where it was pressed; whether it means anything. */
  function press(event) {
    const { target, key } = event;
    const thing = target.closest("#graph [tabindex]");
    if (target.id === "search") {
      return searching(event);
    }
    if (target.closest("#graph") && (key === "ArrowDown" || key === "ArrowUp")) {
      walk(key === "ArrowDown" ? 1 : -1);
    } else if (thing && key === "Enter") {
      (thing.id in groups ? toggle : pick)(thing.id);
    } else if ((key === " " && target.closest("button, select")) || !Object.hasOwn(keys, key)) {
      return false; // a button presses itself
    } else if (target.id === "slider" && (key === "+" || key === "-")) {
      return false;
    } else {
      keys[key]();
    }
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const other = event.ctrlKey || event.metaKey || event.altKey || byId("keys").open;
    if (!other && press(event)) {
      event.preventDefault();
    }
  });

  // --- buttons -----------------------------------------------------------------------------------

  function listen() {
    const clicks = {
      first: keys.Home,
      back: keys.ArrowLeft,
      play,
      forward: keys.ArrowRight,
      last: keys.End,
      "fold-all": () => open(picture.extreme(true)),
      "unfold-all": () => open(picture.extreme(false)),
      "zoom-in": keys["+"],
      "zoom-out": keys["-"],
      "zoom-one": keys[1],
      fit: keys.f,
      theme: keys.t,
      help: keys["?"],
    };
    for (const [id, action] of Object.entries(clicks)) {
      byId(id).addEventListener("click", action);
    }
    byId("pace").addEventListener("change", () => {
      if (timer !== null) {
        pause();
        play();
      }
    });
    byId("slider").addEventListener("input", ({ target }) => go(Number(target.value)));
    byId("search").addEventListener("input", ({ target }) => seek(target.value));
  }

  document.addEventListener("renewed", () => {
    panel.forget();
    show();
  });
  document.addEventListener("chosen", ({ detail }) => choose(detail));
  byId("slider").max = String(steps.length);
  byId("play").disabled = byId("slider").disabled = steps.length === 0;
  document.body.style.setProperty("--turn", String(steps.length ? story.turn / steps.length : 1));
  byId("half-backward").hidden = story.turn === steps.length;
  byId("fold-all").hidden = byId("unfold-all").hidden = picture.ways.length < 2;
  theme(matchMedia("(prefers-color-scheme: dark)").matches);
  picture.open(picture.ways[0]);
  listen();
  pointer.listen(picture, {
    pick,
    toggle,
    resized: () => {
      if (picture.unmeasured()) {
        open(picture.way());
      }
      picture.suit();
      sight();
    },
  });
  go(0);
})();
