"""Values and facts that users hold: messages, recipients, results, codes and endpoints. Pure."""
