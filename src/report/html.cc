#include "vtr/report/html.h"

#include "page_files.h"

#include "vtr/core/base64.h"
#include "vtr/report/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace vtr::report {
namespace {

std::string tag(const char* name, const std::string& text) {
  return fmt::format("<{0}>{1}</{0}>\n", name, escape_xml(text));
}

std::string image(const Picture& picture) {
  return fmt::format("<img src=\"data:{};base64,{}\" alt=\"{}\">", picture.type,
                     base64(picture.bytes), escape_xml(picture.alt));
}

// What is wider than a phone scrolls in itself, by keys too.
std::string scrolling(const std::string& name, const std::string& content) {
  return fmt::format(
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n{}</div>\n",
      escape_xml(name), content);
}

std::string figure(const char* kind, const std::string& content, const std::string& caption) {
  return fmt::format("<figure class=\"{}\">\n<figcaption>{}</figcaption>\n{}\n</figure>\n", kind,
                     escape_xml(caption), content);
}

bool begins_with_number(const std::string& text) {
  const size_t sign = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
  return text.size() > sign && std::isdigit(static_cast<unsigned char>(text[sign])) != 0;
}

bool stands_right(const SortableTable& table, size_t column) {
  const auto is_number = [&](const auto& row) {
    const std::string& text = row[column].text;
    return text.empty() || text == "-" || begins_with_number(text);
  };
  return std::all_of(table.rows.begin(), table.rows.end(), is_number);
}

std::string html(const Paragraph& paragraph) { return tag("p", paragraph.text); }

std::string html(const Cards& cards) {
  std::string list;
  for (const auto& [name, value, note] : cards.cards) {
    list += fmt::format("<div><dt>{}</dt><dd><strong>{}</strong> <span>{}</span></dd></div>\n",
                        escape_xml(name), escape_xml(value), escape_xml(note));
  }
  return fmt::format("<dl class=\"cards\">\n{}</dl>\n", list);
}

std::string html(const SortableTable& table) {
  std::vector<const char*> kind;
  std::string head, body;
  for (size_t i = 0; i < table.header.size(); ++i) {
    kind.push_back(stands_right(table, i) ? " class=\"number\"" : "");
    head += fmt::format("<th scope=\"col\"{}>{}</th>", kind[i], escape_xml(table.header[i]));
  }
  for (const auto& row : table.rows) {
    body += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string text = escape_xml(row[i].text);
      body += fmt::format("<td{}>{}</td>", kind.at(i),
                          row[i].href.empty() ? text
                                              : fmt::format("<a href=\"{}\">{}</a>",
                                                            escape_xml(row[i].href), text));
    }
    body += "</tr>\n";
  }
  return scrolling(table.caption,
                   fmt::format("<table class=\"sortable\">\n<caption>{}</caption>\n<thead><tr>{}"
                               "</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n",
                               escape_xml(table.caption), head, body));
}

std::string html(const Bars& bars) {
  double most = 0;
  for (const auto& bar : bars.bars) most = std::max(most, bar.value);
  std::string body;
  for (const auto& [label, value, text] : bars.bars) {
    body += fmt::format(
        "<tr><th scope=\"row\">{}</th><td><span class=\"bar\" style=\"--part:{:.4f}\"></span>{}"
        "</td></tr>\n",
        escape_xml(label), most > 0 ? value / most : 0, escape_xml(text));
  }
  return fmt::format(
      "<table class=\"bars\">\n<caption>{}</caption>\n<thead><tr><th scope=\"col\">{}</th>"
      "<th scope=\"col\">{}</th></tr></thead>\n<tbody>\n{}</tbody>\n</table>\n",
      escape_xml(bars.caption), escape_xml(bars.of), escape_xml(bars.what), body);
}

std::string html(const Figure& shown) {
  return figure("picture", image(shown.picture), shown.caption);
}

std::string html(const Drawing& drawing) {
  return fmt::format("<figure class=\"drawing\">\n{}</figure>\n",
                     scrolling(drawing.name, image({"image/svg+xml", drawing.svg, drawing.name})));
}

std::string html(const Strip& strip) {
  if (!strip.missing.empty()) return figure("strip", tag("p", strip.missing), strip.caption);
  double most = 0;
  bool chosen = false;  // some of them
  for (const auto& frame : strip.frames) {
    most = std::max(most, frame.weight.value_or(0));
    chosen = chosen || !frame.kept;
  }
  std::string list;
  for (const auto& [picture, label, weight, kept] : strip.frames) {
    const std::string bar =
        weight ? fmt::format("<span class=\"weight\" style=\"--part:{:.4f}\"></span>",
                             most > 0 ? *weight / most : 0)
               : "";
    const std::string value = weight ? fmt::format("<b>{:.2f}</b> ", *weight) : "";
    list +=
        fmt::format("<li{}><span class=\"frame\">{}{}</span><small>{}{}</small></li>\n",
                    kept ? "" : " class=\"left\"", image(picture), bar, value, escape_xml(label));
  }
  return figure(chosen ? "strip chosen" : "strip", fmt::format("<ol>\n{}</ol>", list),
                strip.caption);
}

std::string html(const Story& story) {
  std::string content = tag("h3", story.title), facts;
  for (const auto& fact : story.facts) facts += tag("li", fact);
  content += fmt::format("<ul class=\"facts\">\n{}</ul>\n", facts);
  for (const auto& strip : story.strips) content += html(strip);
  return fmt::format("<article>\n{}</article>\n", content);
}

std::string html(const Listing& listing) {
  return fmt::format("<details>\n<summary>{}</summary>\n{}</details>\n", escape_xml(listing.title),
                     scrolling(listing.title, tag("pre", listing.text)));
}

std::string html(const Section& section) {
  std::string content = tag("h2", section.title);
  for (const auto& block : section.blocks) {
    content += std::visit([](const auto& some) { return html(some); }, block);
  }
  return fmt::format("<section id=\"{}\">\n{}</section>\n", escape_xml(section.id), content);
}

std::string list_of(const std::string& name, const std::vector<Link>& links) {
  if (links.empty()) return "";
  std::string items;
  for (const auto& [title, href] : links) {
    items += fmt::format("<li><a href=\"{}\">{}</a></li>\n", escape_xml(href), escape_xml(title));
  }
  return fmt::format("<nav aria-label=\"{0}\">\n<ul>\n{1}</ul>\n</nav>\n", escape_xml(name), items);
}

}  // namespace

std::string to_html(const Page& page) {
  std::vector<Link> contents;
  std::string sections;
  for (const auto& section : page.sections) {
    contents.push_back({section.title, "#" + section.id});
    sections += html(section);
  }
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<header>\n<h1>{}</h1>\n{}{}{}"
      "</header>\n<main>\n{}</main>\n<script>\n{}</script>\n</body>\n</html>\n",
      escape_xml(page.title), kPageCss, escape_xml(page.title), tag("p", page.subtitle),
      list_of("Pages", page.pages), list_of("Contents", contents), sections, kPageJs);
}

}  // namespace vtr::report
