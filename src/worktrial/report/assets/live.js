// A run in progress: the page asks for itself again when the run has moved, and is made like what comes piece by piece,
// so that what the reader set, opened, selected or stands on stays as it is.
(() => {
  const { $, make } = worktrial;
  const strip = make("p", "", "live");
  const said = make("span"), more = make("span", "", "more");
  said.setAttribute("role", "status");
  strip.append(said, " ", more);
  $(".top").after(strip);
  const say = (text, kind, rest = "") => {
    if (said.textContent !== text) said.textContent = text;  // which is read aloud; the rest changes by the second
    more.textContent = rest;
    strip.dataset.is = kind;
  };

  // Two nodes are of the same thing by what they are called or where they lead, or else by where they stand.
  const named = (node, ...names) => names.map((name) => node.getAttribute(name)).find(Boolean);
  const key = (node) => {
    if (node.nodeType !== 1) return node.nodeType;
    const name = named(node, "id", "href", "aria-labelledby", "data-label", "value")
      || (node.localName === "tr" && ($("a", node)?.getAttribute("href") || $("th", node)?.textContent))
      || (node.localName === "div" && node.classList[0]);
    return `${node.localName} ${name || ""}`;
  };
  const ours = (node) => node?.nodeType === 1 && "own" in node.dataset;
  const attributes = (old, fresh) => {
    const at = old.classList.contains("at");  // where the reader's keys are
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
    if (at) old.classList.add("at");
  };
  const like = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== 1) { old.data = fresh.data; return; }
    const { hidden, value } = old;
    attributes(old, fresh);
    if (old.matches(".filters, [data-d], .steps > li")) old.hidden = hidden;  // by the reader's filters
    if (old.localName === "output") return;
    const known = new Map();
    for (const one of old.childNodes) if (!ours(one)) known.set(key(one), [...(known.get(key(one)) || []), one]);
    const wanted = [...fresh.childNodes].map((one) => {
      const found = known.get(key(one))?.shift();
      if (!found) return document.adoptNode(one);
      like(found, one);
      return found;
    });
    for (const all of known.values()) all.forEach((one) => one.remove());
    let place = old.firstChild;
    for (const one of wanted) {
      while (ours(place)) place = place.nextSibling;
      if (one === place) place = place.nextSibling; else old.insertBefore(one, place);
    }
    // An option that changes places is no longer chosen.
    if (old.localName === "select") { old.value = value; if (old.selectedIndex < 0) old.selectedIndex = 0; }
  };

  let shown = null, wanted = null, running = false;
  const once = async () => {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    const text = await answer.text();
    if (!answer.ok) {
      // What is not there yet may be with the next news.
      if (answer.status !== 404) more.textContent = `This page could not be made anew. ${text.split("\n")[0]}`;
      return false;
    }
    const page = new DOMParser().parseFromString(text, "text/html");
    const focused = document.activeElement, at = scrollY;
    like($("#main"), $("#main", page));
    document.title = page.title;
    worktrial.again.forEach((one) => one());
    // What changed places has lost it.
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    if (scrollY !== at) scrollTo({ top: at, behavior: "instant" });
    return true;
  };
  const refresh = async () => {
    if (running) return;
    running = true;
    try {
      while (shown !== wanted) {
        const now = wanted;
        shown = (await once()) ? now : null;
        if (shown === null) break;
      }
    } catch { shown = null; /* the viewer is gone, and its events say so */ } finally { running = false; }
  };

  const of = document.body.dataset.of;
  const events = new EventSource(`${document.body.dataset.live}events${of ? `?of=${encodeURIComponent(of)}` : ""}`);
  events.addEventListener("run", (event) => {
    const news = JSON.parse(event.data);
    say(news.said, news.kind, news.more);
    wanted = news.version;
    refresh();
  });
  events.addEventListener("trouble", (event) => {
    const news = JSON.parse(event.data);
    say(`This run can't be read: ${news.said}`, "gone", news.more);
  });
  events.addEventListener("error", () => say("The viewer does not answer; this page is as of its last answer.", "gone"));
})();
