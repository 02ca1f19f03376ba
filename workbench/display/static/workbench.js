/* What a live page does in the browser: takes news from the server, keeps ages true, shows what is stale.
   Ages are counted here, so that values look stale even when the server or the network is gone. */
(() => {
  "use strict";
  const STALE_AFTER = 5;   // cadences
  const SILENT = 5;        // seconds without news before the page says so
  const lines = new Map(); // part id -> its HTML, line by line
  let offset = null;       // server clock minus ours [ms]
  let heard = performance.now();
  let lost = false;

  const serverNow = () => Date.now() + (offset ?? 0);

  // -- taking news ----------------------------------------------------------------------------------
  function take(news) {
    if (news.reload) { location.reload(); return; }
    if (news.notice) notice(news.notice);
    const drift = news.now - Date.now();
    // The news that travelled fastest tells the clocks' difference best.
    show(news, offset === null || drift > offset || Math.abs(drift - offset) > 5000 ? drift : offset);
  }

  // Puts what has changed in its place; `apart` is the server's clock minus ours [ms].
  function show(news, apart) {
    heard = performance.now();
    offset = apart;
    let missed = false;
    for (const [id, change] of Object.entries(news.parts ?? {})) {
      const holder = document.getElementById(id);
      if (!holder) continue;
      let now = lines.get(id);
      if (change.all !== undefined) {
        now = change.all.split("\n");
      } else if (now && now.length === change.count) {
        for (const [at, line] of change.lines) now[at] = line;
      } else {
        missed = true;
        continue;
      }
      lines.set(id, now);
      const fresh = document.createElement(holder.nodeName);
      fresh.innerHTML = now.join("\n");
      morph(holder, fresh);
    }
    if (missed) window.workbench.ask({do: "all"});
    if (document.querySelector("[data-reload]")) { location.reload(); return; }
    if (!board) setLost(false);
    tick();
    filter();
  }

  function notice(text) {
    document.querySelector(".notice")?.remove();
    const told = document.createElement("div");
    told.className = "notice";
    told.setAttribute("role", "alert");
    told.textContent = text;
    document.body.append(told);
    setTimeout(() => told.remove(), 6000);
  }

  // Makes the children of `old` those of `fresh`, touching only what differs: focus and scroll stay.
  function morph(old, fresh) {
    const a = [...old.childNodes], b = [...fresh.childNodes];
    for (let i = 0; i < b.length; i++) {
      const was = a[i], is = b[i];
      if (!was) { old.append(is); continue; }
      if (was.nodeType !== is.nodeType || was.nodeName !== is.nodeName) { was.replaceWith(is); continue; }
      if (is.nodeType === Node.ELEMENT_NODE) {
        attributes(was, is);
        if (!(was.tagName === "TIME" && was.dataset.t)) morph(was, is);
      } else if (was.data !== is.data) {
        was.data = is.data;
      }
    }
    for (let i = b.length; i < a.length; i++) a[i].remove();
  }

  function attributes(was, is) {
    for (const {name, value} of is.attributes) {
      if (name === "class" && was.dataset.t) {
        // "stale" belongs to the ticking clock below
        const stale = was.classList.contains("stale");
        if (was.getAttribute("class") !== value) { was.setAttribute("class", value); was.classList.toggle("stale", stale); }
      } else if (was.getAttribute(name) !== value) {
        was.setAttribute(name, value);
      }
    }
    for (const {name} of [...was.attributes]) {
      if (!is.hasAttribute(name) && name !== "hidden" && !(name === "open" && was.tagName === "DETAILS")) was.removeAttribute(name);
    }
  }

  // -- ages -----------------------------------------------------------------------------------------
  function age(seconds) {
    if (!Number.isFinite(seconds)) return "never";
    seconds = Math.max(0, seconds);
    if (seconds < 9.95) return seconds.toFixed(1) + "\u202fs";
    if (seconds < 99.5) return seconds.toFixed(0) + "\u202fs";
    const minutes = seconds / 60, hours = seconds / 3600, days = seconds / 86400;
    if (minutes < 59.5) return minutes.toFixed(minutes < 9.95 ? 1 : 0) + "\u202fmin";
    if (hours < 47.5) return hours.toFixed(hours < 9.95 ? 1 : 0) + "\u202fh";
    return days.toFixed(days < 9.95 ? 1 : 0) + "\u202fd";
  }

  function tick() {
    const now = serverNow();
    for (const element of document.querySelectorAll("[data-t]")) {
      const at = Number(element.dataset.t);
      const seconds = at > 0 ? (now - at) / 1000 : Infinity;
      const every = Number(element.dataset.e || 0);
      if (every) element.classList.toggle("stale", seconds > STALE_AFTER * every);
      if (element.tagName === "TIME") {
        const text = age(seconds);
        if (element.textContent !== text) element.textContent = text;
      }
    }
    const clock = document.getElementById("clock");
    if (clock && offset !== null) clock.textContent = new Date(now).toISOString().slice(11, 19) + " UTC";
  }

  // -- is anybody there -----------------------------------------------------------------------------
  function setLost(is) {
    lost = is;
    document.body.classList.add("heard");
    document.body.classList.toggle("lost", is);
    const link = document.getElementById("link");
    const words = is ? "Connection lost" : "Live";
    if (link && link.textContent !== words) link.textContent = words;
  }

  function watch() {
    const silent = (performance.now() - heard) / 1000;
    if (silent > SILENT && !lost && offset !== null) setLost(true);
    tick();
  }

  async function comeBack() {
    if (!lost || (performance.now() - heard) / 1000 < 2 * SILENT) return;
    try {
      const answer = await fetch(location.href, {cache: "no-store"});
      if (answer.ok) location.reload();
    } catch { /* still gone; asked again later */ }
  }
  const board = document.documentElement.classList.contains("wall"); // it has its own way of telling
  setInterval(board ? tick : watch, 1000);
  if (!board) setInterval(comeBack, 5000);

  // -- asking the server ----------------------------------------------------------------------------
  // A link with data-ask works as a plain link; while the page is live the server changes the page in place.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-ask]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || lost || !window.workbench.send) return;
    event.preventDefault();
    window.workbench.ask(JSON.parse(link.dataset.ask));
    if (link.href) history.replaceState(null, "", link.href);
  });

  // -- searching in lists ---------------------------------------------------------------------------
  function filter() {
    for (const field of document.querySelectorAll("input[data-filter]")) {
      const wanted = field.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      const scope = document.getElementById(field.dataset.filter);
      if (!scope) continue;
      let shown = 0;
      for (const row of scope.querySelectorAll("[data-words]")) {
        const hide = !wanted.every((word) => row.dataset.words.includes(word));
        if (row.hidden !== hide) row.hidden = hide;
        if (!hide) shown++;
      }
      for (const group of scope.querySelectorAll("[data-group]")) {
        const none = ![...group.querySelectorAll("[data-words]")].some((row) => !row.hidden);
        if (group.hidden !== none) group.hidden = none;
      }
      const count = document.getElementById(field.dataset.filter + "-count");
      if (count) count.textContent = wanted.length ? `${shown} found` : "";
    }
  }
  document.addEventListener("input", (event) => { if (event.target.dataset?.filter) filter(); });
  document.addEventListener("keydown", (event) => {
    const field = document.querySelector("input[data-filter]");
    if (event.key === "/" && field && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName)) {
      event.preventDefault();
      field.focus();
    } else if (event.key === "Escape" && document.activeElement === field) {
      field.value = "";
      filter();
      field.blur();
    }
  });

  window.workbench = {
    take,
    show,
    age,
    send: null,
    ask(what) { if (this.send) this.send({...what, n: performance.now()}); },
  };
})();
