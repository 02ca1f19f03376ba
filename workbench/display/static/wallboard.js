/* The wallboard in the browser: asks for the snapshot every few seconds, and says so when what it shows is stale.
   Nothing here waits for the server to say that something is wrong: the age of what is shown is counted in the
   browser, so the board goes grey when the network, the server, its looking at the data or the collector ends. */
(() => {
  "use strict";
  const body = document.body;
  const refresh = 1000 * Number(body.dataset.refresh || 5);
  const banner = document.getElementById("stale");
  const link = document.getElementById("link");
  let etag = "", snapshot = null;
  let offset = null;              // server clock minus ours [ms]
  let answered = performance.now();
  let behind = 0;                 // how old the snapshot was when it was given [s]
  let trouble = "";
  const BEHIND = 3;               // the server looks every second

  const serverNow = () => Date.now() + (offset ?? 0);

  // -- asking ---------------------------------------------------------------------------------------
  async function ask() {
    const began = performance.now();
    try {
      const headers = etag ? {"If-None-Match": etag} : {};
      const answer = await fetch(body.dataset.snapshot, {headers, cache: "no-store", signal: AbortSignal.timeout(Math.max(4000, refresh))});
      if (answer.status === 403) { location.reload(); return; }  // signed out: the page itself asks to sign in
      if (answer.status !== 304 && !answer.ok) throw new Error(`the server answers ${answer.status}`);
      const said = Number(answer.headers.get("Server-Time"));
      if (said) offset = said + (performance.now() - began) / 2 - Date.now();
      if (answer.status !== 304) {
        snapshot = await answer.json();
        etag = answer.headers.get("Etag") ?? "";
        if (snapshot.layout !== body.dataset.layout) { location.reload(); return; }
        window.workbench.show(snapshot, offset);
        fit();
      }
      behind = said ? (said - snapshot.now) / 1000 : 0;
      answered = performance.now();
      trouble = "";
    } catch (error) {
      trouble = error instanceof TypeError || error.name === "TimeoutError" ? "no connection to the server" : error.message;
    }
    judge();
  }

  // -- is it stale ----------------------------------------------------------------------------------
  function words(seconds) { return window.workbench.age(seconds); }
  function clock(ms) { return new Date(ms).toISOString().slice(11, 19) + " UTC"; }

  function verdict() {
    const silent = (performance.now() - answered) / 1000;
    const lost = silent > Math.max(5, 2.2 * refresh / 1000);
    if (lost || (trouble && !snapshot)) {
      return [silent, `${trouble || "no answer from the server"}`];
    }
    if (!snapshot) return null;
    // What is shown is as old as the newest value was when it was asked for, and grows until it is asked again.
    const old = (serverNow() - (snapshot.newest || snapshot.now)) / 1000;
    if (old > snapshot.stale + refresh / 1000) {
      return [old, behind > BEHIND ? "the server no longer looks at its data" : "nothing new is collected"];
    }
    return null;
  }

  function judge() {
    const found = verdict();
    body.classList.toggle("stale-board", found !== null);
    const was = banner.hidden;
    banner.hidden = found === null;
    if (was !== banner.hidden) fit();
    body.classList.add("heard");
    const state = found ? "Stale" : snapshot ? "Live" : "Connecting";
    if (link.textContent !== state) link.textContent = state;
    if (!found) return;
    const shown = snapshot ? snapshot.newest || snapshot.now : 0;
    banner.querySelector("strong").textContent = shown ? `Stale for ${words((serverNow() - shown) / 1000)}` : "Stale";
    banner.querySelector("span").textContent = `${found[1][0].toUpperCase()}${found[1].slice(1)}.` +
      (shown ? ` What is below is from ${clock(shown)}.` : "");
  }

  // -- filling the screen ---------------------------------------------------------------------------
  // Drawn for 1366 × 768 and enlarged or reduced to the screen; reduced further until everything is seen.
  function fit() {
    const wall = innerWidth > 1080 && innerHeight > 560;
    let zoom = wall ? Math.min(innerWidth / 1366, innerHeight / 768) : 1;
    for (let i = 0; i < 14; i++) {
      body.style.setProperty("--zoom", zoom);
      body.style.setProperty("--width", wall ? `${innerWidth / zoom}px` : "100%");
      body.style.setProperty("--height", wall ? `${innerHeight / zoom}px` : "100%");
      if (!wall || !overflows()) return;
      zoom *= 0.95;
    }
  }
  function overflows() {
    for (const stack of document.querySelectorAll(".row.rest .stack")) {
      if (stack.scrollHeight > stack.clientHeight + 1) return true;
      for (const section of stack.children) if (section.scrollHeight > section.clientHeight + 1) return true;
    }
    return false;
  }

  addEventListener("resize", fit);
  document.fonts?.ready.then(fit);
  fit();
  ask();
  setInterval(ask, refresh);
  setInterval(judge, 1000);
})();
