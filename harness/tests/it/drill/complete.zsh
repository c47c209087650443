# Completes a command line as a person does: types it into an interactive zsh, presses Tab, and writes what is then in the line to a file.
#
#     zsh -f complete.zsh FOLDER-OF-COMPLETIONS FILE 'redrill reh'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; shown() { print -r -- \"\$BUFFER\" > $2; exit }; zle -N shown; bindkey '^X^P' shown; print RE''ADY"
while zpty -r shell line; do [[ $line == *READY* ]] && break; done
zpty -n -w shell "$3"$'\t\x18\x10'
while zpty -r shell line; do :; done
