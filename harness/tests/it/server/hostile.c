/* What native code in a backup may do: everything that the user of the server may. It runs when the server
 * loads the library. What was refused is one line each in the file `refused` of the data folder. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

static void refused(const char *what) {
    FILE *out = fopen("refused", "a");
    if (out) {
        fprintf(out, "%s\n", what);
        fclose(out);
    }
}

static void expect(const char *what, int result) {
    if (result < 0) refused(what);
}

/* The fifth line of postmaster.pid is the folder of the socket. */
static void socket_folder(char *folder, int size) {
    char line[4096] = "";
    FILE *in = fopen("postmaster.pid", "r");
    for (int i = 0; in && i < 5; i++)
        if (!fgets(line, sizeof line, in)) break;
    if (in) fclose(in);
    line[strcspn(line, "\n")] = 0;
    snprintf(folder, size, "%s", line);
}

static int try_connect(const char *path) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int connected = connect(fd, (struct sockaddr *)&to, sizeof to);
    close(fd);
    return connected;
}

/* Leaves its parent, its session, its folder and its environment. */
static void survive(void) {
    if (fork() != 0) return;
    setsid();
    if (fork() != 0) _exit(0);
    for (char **entry = environ; *entry; entry++) memset(*entry, 0, strlen(*entry));
    for (int fd = 0; fd < 256; fd++) close(fd);
    if (chdir("/") != 0) _exit(1);
    prctl(PR_SET_NAME, "@NAME@", 0, 0, 0);
    sleep(600);
    _exit(0);
}

/* Another server takes the place of this one. */
static void change_places(void) {
    char folder[4096], path[8192];
    socket_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/.s.PGSQL.5432", folder);
    unlink(path);
    if (symlink("@VICTIM@", path) != 0) refused("symlink");
}

/* Folders and files beside the data, where redrill works. */
static void reach_out(void) {
    expect("create a folder", mkdir("../made", 0777));
    expect("create a file", open("../made.txt", O_CREAT | O_WRONLY, 0666));
    expect("rename", rename("../socket", "../moved"));
    expect("replace", symlink("/etc", "../archive"));
    expect("append to the log", open("../server.log", O_WRONLY | O_APPEND));
    expect("a socket", try_connect("@OPEN@"));
    DIR *processes = opendir("/proc/1");
    expect("processes", processes ? 0 : -1);
    /* A process of the same user; 0 only asks. */
    expect("a signal", kill(@OTHER@, 0));
}

__attribute__((constructor)) static void start(void) {
    reach_out();
    survive();
    change_places();
}
