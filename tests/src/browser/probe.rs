//! What must hold of every page, whatever it is about.

use serde_json::json;

use super::Browser;

/// Inside the window, named for those who do not see it, and nothing that leads nowhere.
const PROBE: &str = "(() => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    const named = (element) => element.ariaLabel || element.labels?.length || element.getAttribute('aria-labelledby') || element.textContent.trim();
    const ids = all('[id]').map((element) => element.id);
    const references = all('[aria-labelledby],[aria-describedby]')
        .flatMap((element) => `${element.getAttribute('aria-labelledby') || ''} ${element.getAttribute('aria-describedby') || ''}`.trim().split(/\\s+/))
        .concat(all('label[for]').map((label) => label.htmlFor))
        .concat(all('a[href^=\"#\"]').map((link) => link.hash.slice(1)));
    return {
        out: all('body *').filter((element) => !element.closest('.scroll, .skip, .spoken, svg, pre, dialog:not([open])')
            && element.getBoundingClientRect().right > innerWidth + 1).map((element) => `${element.tagName}.${element.className}`),
        scrolls: document.documentElement.scrollWidth > innerWidth,
        unnamed: all('a, button, input:not([type=hidden]), textarea, progress, svg[role=img], [role=region]').filter((element) => !named(element)).map((element) => element.outerHTML),
        silent: all('svg').filter((svg) => svg.getAttribute('role') !== 'img' && svg.ariaHidden !== 'true').length,
        uncaptioned: all('table').filter((table) => !table.caption).length,
        twice: ids.length - new Set(ids).size,
        dead: references.filter((id) => id && !document.getElementById(id) && id !== 'confirm-title'),
        heads: all('h1').length,
        mains: all('main').length,
        styled: all('[style]').length,
    };
})()";

/// Checks the page that is open, which is called `page` here.
pub fn holds(browser: &Browser, page: &str) {
    let expected = json!({
        "out": [], "scrolls": false, "unnamed": [], "silent": 0, "uncaptioned": 0, "twice": 0, "dead": [], "heads": 1, "mains": 1, "styled": 0,
    });
    assert_eq!(browser.eval(PROBE), expected, "{page}");
}
